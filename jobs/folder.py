"""Objects as files in a local folder.

A file is written beside its place under a hidden name, synced and renamed. Its version is the SHA-256 of its
content, compared and replaced under a lock on its folder.
"""

import errno
import fcntl
import hashlib
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from jobs.objects import checked, conflict, crc32c
from preprocessing.errors import InputError
from trainer.store import ABSENT, Version

CHUNK_BYTES = 1 << 20


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
            return crc32c(iter(lambda: file.read(CHUNK_BYTES), b""))

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
        return self._root / checked(name)

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
