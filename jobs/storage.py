"""Objects in a local folder or in Google Cloud Storage, behind the same few methods.

A write is whole or not at all, in both: a local file is written beside its place, synced and renamed. A write
may be made conditional on the version that the object has, its generation in GCS and the SHA-256 of its
content in a folder; that is how two processes that want one run, or
one model, find out about each other. Names are relative to the bucket's URL, with / between their parts.
"""

import base64
import errno
import fcntl
import hashlib
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol

import google_crc32c

from preprocessing.errors import InputError
from trainer.store import ABSENT, Conflict, Version

CHUNK_BYTES = 1 << 20
DOWNLOAD_THREADS = 8


def conflict(url: str, *, expected: Version, found: Version) -> Conflict:
    """What a conditional write raises."""
    return Conflict(f"{url}: expected {_described(expected)}, found {_described(found)}")


def _described(version: Version) -> str:
    return "no object" if version == ABSENT else f"version {version[:16]}"


class Bucket(Protocol):
    """A folder of objects. FileNotFoundError with the object's URL where there is none of a name.

    InputError where the place itself is wrong: no such bucket, no permission, a file where a folder should be.
    """

    url: str

    def read(self, name: str) -> bytes: ...
    def read_versioned(self, name: str) -> tuple[bytes, Version]: ...
    def write(self, name: str, data: bytes, *, if_version: Version | None = None) -> Version: ...
    def names(self, prefix: str = "") -> list[str]: ...
    def size(self, name: str) -> int: ...
    def checksum(self, name: str) -> str: ...
    def upload(self, path: Path, name: str) -> None: ...
    def download(self, name: str, path: Path) -> None: ...
    def local(self, name: str, scratch: Path) -> Path: ...
    def delete(self, name: str) -> None: ...


def open_bucket(url: str) -> Bucket:
    """A folder by its path, or `gs://bucket/prefix`; nothing is read or made yet. InputError for other URLs."""
    if url.startswith("gs://"):
        bucket, _, prefix = url.removeprefix("gs://").partition("/")
        if not bucket:
            raise InputError(f"{url}: expected gs://bucket/path")
        return GoogleBucket(bucket, prefix.strip("/"))
    if not url or "://" in url:
        raise InputError(f"{url!r}: expected a local path or gs://bucket/path")
    return Folder(Path(url))


def download_many(bucket: Bucket, names: Sequence[str], scratch: Path) -> list[Path]:
    """Each object as a local file, several at a time; in the order of `names`."""
    with ThreadPoolExecutor(DOWNLOAD_THREADS) as threads:
        return list(threads.map(lambda name: bucket.local(name, scratch), names))


def _checked(name: str) -> str:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts:
        raise ValueError(f"object name {name!r}: expected a relative path without ..")
    return name


def _crc32c(chunks: Iterator[bytes]) -> str:
    checksum = google_crc32c.Checksum()
    for chunk in chunks:
        checksum.update(chunk)
    return base64.b64encode(checksum.digest()).decode()


class Folder:
    """A local folder; made at the first write."""

    def __init__(self, root: Path) -> None:
        self.url = str(root)
        self._root = root

    def read(self, name: str) -> bytes:
        with self._reading(name) as file:
            return file.read()

    def read_versioned(self, name: str) -> tuple[bytes, Version]:
        data = self.read(name)
        return data, hashlib.sha256(data).hexdigest()

    def write(self, name: str, data: bytes, *, if_version: Version | None = None) -> Version:
        path = self._path(name)
        if if_version is None:
            self._replace(path, lambda file: file.write(data))
        else:
            with self._locked(path):
                found = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ABSENT
                if found != if_version:
                    raise conflict(str(path), expected=if_version, found=found)
                self._replace(path, lambda file: file.write(data))
        return hashlib.sha256(data).hexdigest()

    def names(self, prefix: str = "") -> list[str]:
        paths = (path for path in self._root.rglob("*") if not _hidden(path.name) and path.is_file())
        found = (path.relative_to(self._root).as_posix() for path in paths)
        return sorted(name for name in found if name.startswith(prefix))

    def size(self, name: str) -> int:
        with self._reading(name) as file:
            return os.fstat(file.fileno()).st_size

    def checksum(self, name: str) -> str:
        with self._reading(name) as file:
            return _crc32c(iter(lambda: file.read(CHUNK_BYTES), b""))

    def upload(self, path: Path, name: str) -> None:
        with path.open("rb") as source:
            self._replace(self._path(name), lambda file: _copy(source, file))

    def download(self, name: str, path: Path) -> None:
        with self._reading(name) as source:
            self._replace(path, lambda file: _copy(source, file))

    def local(self, name: str, scratch: Path) -> Path:  # noqa: ARG002 (an object that is local needs no copy)
        with self._reading(name):
            return self._path(name)

    def delete(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._root / _checked(name)

    @contextmanager
    def _reading(self, name: str) -> Iterator[BinaryIO]:
        path = self._path(name)
        try:
            file = path.open("rb")
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(str(path)) from None
        except (IsADirectoryError, PermissionError) as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None
        with file:
            yield file

    def _replace(self, path: Path, write: Callable[[Any], object]) -> None:
        """Writes a file beside `path`, then puts it in its place."""
        beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
        with _as_input_error(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with beside.open("wb") as file:
                    write(file)
                    file.flush()
                    os.fsync(file.fileno())
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)

    @contextmanager
    def _locked(self, path: Path) -> Iterator[None]:
        """Alone among processes with conditional writes in the folder of `path`."""
        with _as_input_error(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            folder = os.open(path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)


def _hidden(name: str) -> bool:
    return name.startswith(".") and name.endswith(".tmp")


def _copy(source: Any, target: Any) -> None:
    while chunk := source.read(CHUNK_BYTES):
        target.write(chunk)


@contextmanager
def _as_input_error(path: Path) -> Iterator[None]:
    """A place that can never be written is the user's mistake; a full disk is not."""
    wrong = (errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.EROFS, errno.ENAMETOOLONG)
    try:
        yield
    except OSError as error:
        if error.errno not in wrong:
            raise
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None


class GoogleBucket:
    """Objects under a prefix of a GCS bucket, or of an emulator's where STORAGE_EMULATOR_HOST names one.

    The client retries what can be retried, for two minutes; a precondition makes a repeated write safe.
    """

    def __init__(self, bucket: str, prefix: str) -> None:
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import storage

        self.url = f"gs://{bucket}/{prefix}".rstrip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        if "STORAGE_EMULATOR_HOST" in os.environ:
            client = storage.Client(project="emulator", credentials=AnonymousCredentials())
        else:
            client = storage.Client()
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
                # Perhaps it was our own write, whose answer was lost and which the client then repeated.
                current = self._bucket.get_blob(blob.name, retry=self._retry)
                if current is None or current.crc32c != _crc32c(iter([data])):
                    found = ABSENT if current is None else str(current.generation)
                    raise conflict(f"{self.url}/{name}", expected=if_version or ABSENT, found=found) from None
                return str(current.generation)
        return str(blob.generation)

    def names(self, prefix: str = "") -> list[str]:
        with self._errors():
            blobs = list(self._bucket.list_blobs(prefix=self._prefix + prefix, retry=self._retry))
        return sorted(blob.name.removeprefix(self._prefix) for blob in blobs)

    def size(self, name: str) -> int:
        return int(self._existing(name).size)

    def checksum(self, name: str) -> str:
        return str(self._existing(name).crc32c)

    def upload(self, path: Path, name: str) -> None:
        with self._errors():
            self._blob(name).upload_from_filename(str(path), checksum="crc32c", retry=self._retry)

    def download(self, name: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
        try:
            with self._errors(name):
                self._blob(name).download_to_filename(str(beside), checksum="crc32c", retry=self._retry)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)

    def local(self, name: str, scratch: Path) -> Path:
        path = scratch / _checked(name)
        self.download(name, path)
        return path

    def delete(self, name: str) -> None:
        from google.api_core.exceptions import NotFound

        with self._errors(name):
            try:
                self._blob(name).delete(retry=self._retry)
            except NotFound:
                return

    def _blob(self, name: str) -> Any:
        return self._bucket.blob(self._prefix + _checked(name))

    def _existing(self, name: str) -> Any:
        with self._errors(name):
            blob = self._bucket.get_blob(self._prefix + _checked(name), retry=self._retry)
        if blob is None:
            raise FileNotFoundError(f"{self.url}/{name}")
        return blob

    @contextmanager
    def _errors(self, name: str | None = None) -> Iterator[None]:
        """GCS's answers as a Bucket's errors; without a name, what is not found can only be the bucket."""
        from google.api_core import exceptions

        try:
            yield
        except exceptions.NotFound as error:
            if name is None or "bucket does not exist" in str(error):
                raise InputError(f"gs://{self._bucket.name}: no such bucket") from None
            raise FileNotFoundError(f"{self.url}/{name}") from None
        except (exceptions.Forbidden, exceptions.Unauthorized) as error:
            raise InputError(f"gs://{self._bucket.name}: no permission: {error.message}") from None
