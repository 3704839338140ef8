"""Objects in Google Cloud Storage.

Cloud Storage writes atomically, and an object's version is its generation. The precondition of a conditional write
makes a repeated write safe. Needed permissions: storage.objects.get, list, create and delete.

Downloads are raw: the bytes as they are stored, of which the size and the checksum are. Else an object with the content
encoding gzip would be decompressed by the store or the client, but not in a request for a range.
"""

import logging
import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from preprocessing.errors import Conflict, InputError
from preprocessing.storage.atomic import check_object_name, is_temporary, replace_file
from preprocessing.storage.bucket import ABSENT, Bucket, ObjectStat, Version, describe_conflict
from preprocessing.storage.checksum import crc32c
from preprocessing.storage.content_encoding import decode_content
from preprocessing.storage.gcs_client import connect
from preprocessing.storage.gcs_errors import NoObjectError, no_bucket, translate_errors

log = logging.getLogger(__name__)

ATTEMPTS = 3  # at an upload whose session is lost, or at a download that arrives damaged or whose object is replaced
CHUNK_BYTES = 1 << 20
Result = TypeVar("Result")
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
        self._bucket, self._retry = connect(bucket)

    def stat(self, name: str) -> ObjectStat:
        blob = self._blob(name)
        with self._errors(name):
            blob.reload(retry=self._retry)
        return _object_stat(blob)

    def read_versioned(self, name: str) -> tuple[bytes, Version]:
        def download() -> tuple[bytes, Version]:
            blob = self._blob(name)
            data: bytes = blob.download_as_bytes(checksum="crc32c", raw_download=True, retry=self._retry)
            self._require_checksum(blob, [data])
            content = decode_content(data, blob.content_encoding, url=f"{self.url}/{name}")
            return content, str(blob.generation)

        return self._download(name, download)

    def read_range(self, name: str, start: int, stop: int) -> bytes:
        def download() -> bytes:
            # Without the client's checksum, which is of the whole object.
            data: bytes = self._blob(name).download_as_bytes(
                start=start, end=stop - 1, raw_download=True, checksum=None, retry=self._retry
            )
            return data

        return self._download(name, download)

    def fetch(self, name: str, folder: Path) -> Path:
        path = folder / check_object_name(name)

        def download() -> Path:
            blob = self._blob(name)
            with replace_file(path) as file:
                blob.download_to_file(file, checksum="crc32c", raw_download=True, retry=self._retry)
            with path.open("rb") as copy:
                self._require_checksum(blob, iter(lambda: copy.read(CHUNK_BYTES), b""))
            return path

        return self._download(name, download)

    def stats(self, prefix: str = "", *, recursive: bool = True) -> dict[str, ObjectStat]:
        delimiter = None if recursive else "/"
        with self._errors():
            blobs = list(self._bucket.list_blobs(prefix=self._prefix + prefix, delimiter=delimiter, retry=self._retry))
        by_name = {blob.name.removeprefix(self._prefix): _object_stat(blob) for blob in blobs}
        # The Cloud console's "create folder" makes an empty object NAME/.
        return {n: stat for n, stat in by_name.items() if n and not n.endswith("/") and not is_temporary(n)}

    def write(self, name: str, data: bytes, *, if_version: Version | None = None) -> Version:
        from google.api_core.exceptions import PreconditionFailed

        blob, mark = self._new_blob(name), uuid.uuid4().hex
        condition = {}
        if if_version is not None:
            condition = {"if_generation_match": int(if_version)}
            blob.metadata = {"write": mark}
        try:
            self._upload(
                lambda: blob.upload_from_string(
                    data, blob.content_type, checksum="crc32c", retry=self._retry, **condition
                ),
                refused=PreconditionFailed,
            )
        except PreconditionFailed:
            # The client may have repeated this very write, because its answer was lost. The write's mark tells; the
            # content does not, as two processes that both train one run may write the same.
            with self._errors():
                current = self._bucket.get_blob(blob.name, retry=self._retry)
            if current is None or (current.metadata or {}).get("write") != mark:
                actual = ABSENT if current is None else str(current.generation)
                url = f"{self.url}/{name}"
                raise Conflict(describe_conflict(url, expected=if_version or ABSENT, actual=actual)) from None
            return str(current.generation)
        return str(blob.generation)

    def upload(self, path: Path, name: str) -> None:
        blob = self._new_blob(name)
        self._upload(lambda: blob.upload_from_filename(str(path), checksum="crc32c", retry=self._retry))

    def move(self, name: str, to: str) -> None:
        source, target = self._blob(name), self._new_blob(to)
        with self._errors(name):
            token, _, _ = target.rewrite(source, retry=self._retry)
            while token is not None:
                token, _, _ = target.rewrite(source, token=token, retry=self._retry)
        self.delete(name)

    def delete(self, name: str) -> None:
        from google.api_core.exceptions import Forbidden, NotFound

        with self._errors(name):
            try:
                self._blob(name).delete(retry=self._retry)
            except NotFound:
                if not self._exists():
                    raise
            except Forbidden as error:  # what is left over harms nothing
                log.warning("%s/%s is not deleted: no permission: %s", self.url, name, error.message)

    def _download(self, name: str, download: Callable[[], Result]) -> Result:
        """Return what `download` returns. Start it again if the object was replaced, or arrived damaged."""
        from google.cloud.storage.exceptions import DataCorruption

        for attempt in range(1, ATTEMPTS + 1):
            try:
                with translate_errors(self._bucket.name, passing=DataCorruption):
                    return download()
            except NoObjectError:
                # A download that is resumed asks for the generation that it began with, which may be gone.
                if attempt == ATTEMPTS or not self._has(name):
                    raise self._missing(name) from None
            except DataCorruption as error:
                if attempt == ATTEMPTS:
                    raise OSError(f"{self.url}/{name}: {error}") from None
                log.warning("%s/%s is downloaded again: %s", self.url, name, error)
        raise AssertionError("the last attempt returns or raises")

    def _upload(self, upload: Callable[[], None], *, refused: type[Exception] | tuple[()] = ()) -> None:
        """Run `upload`, and start it again if its session is lost. Exceptions of the type `refused` pass."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with translate_errors(self._bucket.name, passing=refused):
                    return upload()
            except NoObjectError as error:  # status 404 or 410: no bucket, or an expired session of a long upload
                if not self._exists():
                    raise no_bucket(self._bucket.name) from None
                if attempt == ATTEMPTS:
                    raise OSError(f"{self.url}: an upload was lost {ATTEMPTS} times: {error}") from None
        raise AssertionError("the last attempt returns or raises")

    def _require_checksum(self, blob: Any, chunks: Iterable[bytes]) -> None:
        """Raise DataCorruption if the bytes are not the store's. The client does not compare a resumed download."""
        from google.cloud.storage.exceptions import DataCorruption

        if blob.crc32c and (found := crc32c(chunks)) != blob.crc32c:
            raise DataCorruption(None, f"CRC-32C {found}, expected {blob.crc32c}")

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

    def _has(self, name: str) -> bool:
        """Return whether the object exists. Raises InputError without its bucket."""
        try:
            self.stat(name)
        except FileNotFoundError:
            return False
        return True

    def _exists(self) -> bool:
        """Return whether the bucket exists, by a listing, which every role that can use objects allows."""
        try:
            with translate_errors(self._bucket.name):
                next(iter(self._bucket.list_blobs(max_results=1, retry=self._retry)), None)
        except NoObjectError:
            return False
        return True

    def _missing(self, name: str) -> Exception:
        """Return the exception for an object that does not exist, or whose bucket does not."""
        return FileNotFoundError(f"{self.url}/{name}") if self._exists() else no_bucket(self._bucket.name)

    @contextmanager
    def _errors(self, name: str | None = None) -> Iterator[None]:
        """Raise the errors of Bucket in place of Cloud Storage's. Without a name, only the bucket can be missing."""
        try:
            with translate_errors(self._bucket.name):
                yield
        except NoObjectError:
            raise (no_bucket(self._bucket.name) if name is None else self._missing(name)) from None


def _object_stat(blob: Any) -> ObjectStat:
    return ObjectStat(int(blob.size), blob.time_created.timestamp(), lambda: str(blob.crc32c))
