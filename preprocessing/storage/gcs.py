"""Objects in Google Cloud Storage.

Cloud Storage writes atomically, and an object's version is its generation. The client retries for two minutes what a
retry can help; the precondition of a conditional write makes a repeated write safe. With STORAGE_EMULATOR_HOST set,
the client talks to an emulator, without credentials.
"""

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from preprocessing.errors import Conflict, InputError
from preprocessing.storage.atomic import check_object_name, is_temporary, replace_file
from preprocessing.storage.bucket import ABSENT, Bucket, ObjectStat, Version, describe_conflict

BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
BINARY = "application/octet-stream"
PLAIN = "text/plain; charset=utf-8"
# A browser shows these types, also from the Cloud console. Not `mimetypes`, which depends on the machine's tables.
CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    **dict.fromkeys((".jsonl", ".md", ".txt", ".yaml"), PLAIN),
}


class GoogleBucket(Bucket):
    """The objects below a prefix of a Cloud Storage bucket."""

    def __init__(self, bucket: str, prefix: str) -> None:
        if not BUCKET_NAME.fullmatch(bucket):
            raise InputError(f"gs://{bucket}: not a bucket's name: expected lower-case letters, digits, -, _ and .")

        self.url = f"gs://{bucket}/{prefix}".rstrip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._bucket, self._retry = _connect(bucket)

    def stat(self, name: str) -> ObjectStat:
        blob = self._blob(name)
        with self._errors(name):
            blob.reload(retry=self._retry)
        return ObjectStat(int(blob.size), blob.time_created.timestamp(), lambda: str(blob.crc32c))

    def read_versioned(self, name: str) -> tuple[bytes, Version]:
        blob = self._blob(name)
        with self._errors(name):
            data: bytes = blob.download_as_bytes(checksum="crc32c", retry=self._retry)
        return data, str(blob.generation)

    def fetch(self, name: str, folder: Path) -> Path:
        path = folder / check_object_name(name)
        with self._errors(name), replace_file(path) as file:
            self._blob(name).download_to_file(file, checksum="crc32c", retry=self._retry)
        return path

    def names(self, prefix: str = "", *, recursive: bool = True) -> list[str]:
        delimiter = None if recursive else "/"
        with self._errors():
            blobs = list(self._bucket.list_blobs(prefix=self._prefix + prefix, delimiter=delimiter, retry=self._retry))
        names = (blob.name.removeprefix(self._prefix) for blob in blobs)
        # The Cloud console's "create folder" makes an empty object NAME/.
        return sorted(name for name in names if name and not name.endswith("/") and not is_temporary(name))

    def write(self, name: str, data: bytes, *, if_version: Version | None = None) -> Version:
        from google.api_core.exceptions import PreconditionFailed

        blob = self._new_blob(name)
        condition = {"checksum": "crc32c", "retry": self._retry}
        if if_version is not None:
            condition["if_generation_match"] = int(if_version)
            blob.metadata = {"write": uuid.uuid4().hex}
        with self._errors():
            try:
                blob.upload_from_string(data, blob.content_type, **condition)
            except PreconditionFailed:
                # The client may have repeated this very write, because its answer was lost. The write's id tells; the
                # content does not, as two processes that both train one run may write the same.
                current = self._bucket.get_blob(blob.name, retry=self._retry)
                if current is None or current.metadata != blob.metadata:
                    actual_version = ABSENT if current is None else str(current.generation)
                    message = describe_conflict(
                        f"{self.url}/{name}", expected=if_version or ABSENT, actual=actual_version
                    )
                    raise Conflict(message) from None
                return str(current.generation)
        return str(blob.generation)

    def upload(self, path: Path, name: str) -> None:
        with self._errors():
            self._new_blob(name).upload_from_filename(str(path), checksum="crc32c", retry=self._retry)

    def move(self, name: str, to: str) -> None:
        source, target = self._blob(name), self._new_blob(to)
        with self._errors(name):
            token, _, _ = target.rewrite(source, retry=self._retry)
            while token is not None:
                token, _, _ = target.rewrite(source, token=token, retry=self._retry)
        self.delete(name)

    def delete(self, name: str) -> None:
        with suppress(FileNotFoundError), self._errors(name):
            self._blob(name).delete(retry=self._retry)

    def _blob(self, name: str) -> Any:
        return self._bucket.blob(self._prefix + check_object_name(name))

    def _new_blob(self, name: str) -> Any:
        """Return the blob of an object to write, with its content type."""
        blob = self._blob(name)
        blob.content_type = CONTENT_TYPES.get(PurePosixPath(name).suffix, BINARY)
        if blob.content_type != BINARY:
            # Text is replaced while a run goes on, and a public object is cached for an hour by default. Shards and
            # checkpoints never change under one name.
            blob.cache_control = "no-store"
        return blob

    def _exists(self) -> bool:
        """Return whether the bucket exists, by a listing, which every role that can use objects allows."""
        from google.api_core.exceptions import NotFound

        try:
            next(iter(self._bucket.list_blobs(max_results=1, retry=self._retry)), None)
        except NotFound:
            return False
        return True

    @contextmanager
    def _errors(self, name: str | None = None) -> Iterator[None]:
        """Raise the errors of Bucket in place of Cloud Storage's. Without a name, only the bucket can be missing."""
        from google.api_core import exceptions
        from google.auth.exceptions import GoogleAuthError
        from google.cloud.storage.exceptions import DataCorruption

        unanswered = (exceptions.ServerError, exceptions.TooManyRequests, exceptions.RetryError)
        try:
            yield
        except exceptions.NotFound:
            if name is None or not self._exists():
                raise InputError(f"gs://{self._bucket.name}: no such bucket") from None
            raise FileNotFoundError(f"{self.url}/{name}") from None
        except (exceptions.Forbidden, exceptions.Unauthorized) as error:
            message = f"gs://{self._bucket.name}: no permission: {error.message}"
            # A new permission takes minutes to work: in a pod a retry can help.
            raise (OSError if "KUBERNETES_SERVICE_HOST" in os.environ else InputError)(message) from None
        except (*unanswered, GoogleAuthError, DataCorruption) as error:  # GoogleAuthError: the token server is down
            raise OSError(f"gs://{self._bucket.name}: no answer after retries: {error}") from error


def _connect(bucket: str) -> tuple[Any, Any]:
    """Return the client's bucket and its retry policy. InputError without credentials."""
    from google.auth.credentials import AnonymousCredentials
    from google.auth.exceptions import DefaultCredentialsError
    from google.cloud import storage

    retry = storage.retry.DEFAULT_RETRY
    if "STORAGE_EMULATOR_HOST" in os.environ:
        client = storage.Client(project="emulator", credentials=AnonymousCredentials())
        return client.bucket(bucket), retry
    try:
        return storage.Client().bucket(bucket), retry
    except DefaultCredentialsError as error:
        # In a pod's first seconds there may be no metadata server yet: a retry can help.
        if "KUBERNETES_SERVICE_HOST" in os.environ:
            raise
        raise InputError(f"gs://{bucket}: no Google Cloud credentials: {error}") from None
