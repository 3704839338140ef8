"""Objects in Google Cloud Storage.

An object's write is whole or not at all, and its version is its generation. The client retries what can be
retried, for two minutes; a precondition makes a repeated write safe. With STORAGE_EMULATOR_HOST set it talks
to an emulator, without credentials.
"""

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from preprocessing.errors import InputError
from preprocessing.storage.atomic import checked, hidden, replacing
from preprocessing.storage.bucket import ABSENT, Version, conflict

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")


class GoogleBucket:
    """The objects under a prefix of a bucket."""

    def __init__(self, bucket: str, prefix: str) -> None:
        from google.auth.credentials import AnonymousCredentials
        from google.auth.exceptions import DefaultCredentialsError
        from google.cloud import storage

        if not NAME.fullmatch(bucket):
            raise InputError(f"gs://{bucket}: not a bucket's name: expected lower-case letters, digits, -, _ and .")

        self.url = f"gs://{bucket}/{prefix}".rstrip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        if "STORAGE_EMULATOR_HOST" in os.environ:
            client = storage.Client(project="emulator", credentials=AnonymousCredentials())
        else:
            try:
                client = storage.Client()
            except DefaultCredentialsError as error:
                # A pod's first seconds may have no metadata server yet: there a retry can help.
                if "KUBERNETES_SERVICE_HOST" in os.environ:
                    raise
                raise InputError(f"gs://{bucket}: no Google Cloud credentials: {error}") from None
        self._bucket = client.bucket(bucket)
        self._retry = storage.retry.DEFAULT_RETRY

    def read(self, name: str) -> bytes:
        return self.read_versioned(name)[0]

    def read_versioned(self, name: str) -> tuple[bytes, Version]:
        blob = self._blob(name)
        with self._errors(name):
            data: bytes = blob.download_as_bytes(checksum="crc32c", retry=self._retry)
        return data, str(blob.generation)

    def write(self, name: str, data: bytes, *, if_version: Version | None = None) -> Version:
        from google.api_core.exceptions import PreconditionFailed

        blob = self._blob(name)
        condition = None if if_version is None else int(if_version)
        mark = {"write": uuid.uuid4().hex}
        if condition is not None:
            blob.metadata = mark
        with self._errors():
            try:
                blob.upload_from_string(
                    data,
                    "application/octet-stream",
                    if_generation_match=condition,
                    checksum="crc32c",
                    retry=self._retry,
                )
            except PreconditionFailed:
                # Perhaps it was our own write, whose answer was lost and which the client then repeated. Its
                # mark tells; its content would not, as two owners of a run may write the same.
                current = self._bucket.get_blob(blob.name, retry=self._retry)
                if current is None or current.metadata != mark:
                    found = ABSENT if current is None else str(current.generation)
                    raise conflict(f"{self.url}/{name}", expected=if_version or ABSENT, found=found) from None
                return str(current.generation)
        return str(blob.generation)

    def names(self, prefix: str = "", *, below: bool = True) -> list[str]:
        delimiter = None if below else "/"
        with self._errors():
            blobs = list(self._bucket.list_blobs(prefix=self._prefix + prefix, delimiter=delimiter, retry=self._retry))
        found = (blob.name.removeprefix(self._prefix) for blob in blobs)
        # The console's "create folder" makes an empty object NAME/.
        return sorted(name for name in found if not name.endswith("/") and not hidden(name) and name)

    def size(self, name: str) -> int:
        return int(self._existing(name).size)

    def checksum(self, name: str) -> str:
        return str(self._existing(name).crc32c)

    def written(self, name: str) -> float:
        return float(self._existing(name).time_created.timestamp())

    def upload(self, path: Path, name: str) -> None:
        with self._errors():
            self._blob(name).upload_from_filename(str(path), checksum="crc32c", retry=self._retry)

    def download(self, name: str, path: Path) -> None:
        with self._errors(name), replacing(path) as file:
            self._blob(name).download_to_file(file, checksum="crc32c", retry=self._retry)

    def local(self, name: str, scratch: Path) -> Path:
        path = scratch / checked(name)
        self.download(name, path)
        return path

    def move(self, name: str, to: str) -> None:
        source, target = self._blob(name), self._blob(to)
        with self._errors(name):
            token, _, _ = target.rewrite(source, retry=self._retry)
            while token is not None:
                token, _, _ = target.rewrite(source, token=token, retry=self._retry)
        self.delete(name)

    def delete(self, name: str) -> None:
        with suppress(FileNotFoundError), self._errors(name):
            self._blob(name).delete(retry=self._retry)

    def _blob(self, name: str) -> Any:
        return self._bucket.blob(self._prefix + checked(name))

    def _existing(self, name: str) -> Any:
        blob = self._blob(name)
        with self._errors(name):
            blob.reload(retry=self._retry)
        return blob

    def _exists(self) -> bool:
        """Asked by listing, for which the roles that can use objects are enough."""
        from google.api_core.exceptions import NotFound

        try:
            next(iter(self._bucket.list_blobs(max_results=1, retry=self._retry)), None)
        except NotFound:
            return False
        return True

    @contextmanager
    def _errors(self, name: str | None = None) -> Iterator[None]:
        """GCS's answers as a Bucket's errors; without a name, what is not found can only be the bucket."""
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
            # One that was just given takes minutes to hold: in a pod a retry can help.
            raise (OSError if "KUBERNETES_SERVICE_HOST" in os.environ else InputError)(message) from None
        except (*unanswered, GoogleAuthError, DataCorruption) as error:  # no token, say, as its server is down
            raise OSError(f"gs://{self._bucket.name}: not answered, though asked again and again: {error}") from error
