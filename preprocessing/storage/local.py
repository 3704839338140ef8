"""Objects as files in a local folder.

A file is written beside its place under a hidden name, synced and renamed. Its version is the SHA-256 of its
content, compared and replaced under a lock on its folder.
"""

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from preprocessing.errors import InputError
from preprocessing.storage.atomic import NO_PATH, as_input_error, checked, hidden, replacing
from preprocessing.storage.bucket import ABSENT, Version, conflict
from preprocessing.storage.checksum import crc32c

CHUNK_BYTES = 1 << 20
LOCK = ".lock.tmp"  # hidden as files are that are still being written


class LocalBucket:
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
            _write(path, data)
        else:
            with self._locked(path):
                found = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ABSENT
                if found != if_version:
                    raise conflict(str(path), expected=if_version, found=found)
                _write(path, data)
        return hashlib.sha256(data).hexdigest()

    def names(self, prefix: str = "", *, below: bool = True) -> list[str]:
        found: list[str] = []
        # Not rglob, which fails where another process deletes a folder meanwhile.
        for place, folders, files in os.walk(self._root / prefix.rpartition("/")[0]):
            found += (Path(place, file).relative_to(self._root).as_posix() for file in files if not hidden(file))
            if not below:
                folders.clear()
        return sorted(name for name in found if name.startswith(prefix) and (self._root / name).is_file())

    def size(self, name: str) -> int:
        with self._reading(name) as file:
            return os.fstat(file.fileno()).st_size

    def checksum(self, name: str) -> str:
        with self._reading(name) as file:
            return crc32c(iter(lambda: file.read(CHUNK_BYTES), b""))

    def written(self, name: str) -> float:
        with self._reading(name) as file:
            return os.fstat(file.fileno()).st_mtime

    def upload(self, path: Path, name: str) -> None:
        with path.open("rb") as source, replacing(self._path(name)) as file:
            _copy(source, file)

    def download(self, name: str, path: Path) -> None:
        with self._reading(name) as source, replacing(path) as file:
            _copy(source, file)

    def local(self, name: str, scratch: Path) -> Path:  # noqa: ARG002 (an object that is local needs no copy)
        with self._reading(name):
            return self._path(name)

    def move(self, name: str, to: str) -> None:
        source, target = self._path(name), self._path(to)
        with as_input_error(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with source.open("rb") as file:
                os.fsync(file.fileno())  # whoever wrote it need not have
            source.replace(target)
        self._drop_empty_folders(source)

    def delete(self, name: str) -> None:
        path = self._path(name)
        # Below a file, or a folder itself: no object, as in Cloud Storage.
        with as_input_error(path), suppress(NotADirectoryError, IsADirectoryError):
            path.unlink(missing_ok=True)
            self._drop_empty_folders(path)

    def _drop_empty_folders(self, path: Path) -> None:
        """Those above `path` that its object was the last of; Cloud Storage has none."""
        for folder in path.parents:
            if folder == self._root:
                return
            try:
                folder.rmdir()
            except OSError:
                return

    def _path(self, name: str) -> Path:
        return self._root / checked(name)

    @contextmanager
    def _reading(self, name: str) -> Iterator[BinaryIO]:
        path = self._path(name)
        try:
            kind = path.stat().st_mode
            if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
                raise InputError(f"{path}: cannot be read: not a file")  # a pipe would be waited for
            file = path.open("rb")
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(str(path)) from None
        except OSError as error:
            if error.errno not in (errno.EISDIR, errno.EACCES, errno.EPERM, *NO_PATH):
                raise
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None
        with file:
            yield file

    @contextmanager
    def _locked(self, path: Path) -> Iterator[None]:
        """Alone among processes with conditional writes in the folder of `path`."""
        # A file of its own and not the folder: on NFS only what is open for writing can be locked.
        place = path.parent / LOCK
        while True:
            with as_input_error(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                lock = place.open("ab")
            with lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not _is_open_at(lock, place):
                    continue  # its last holder deleted it while we waited for it
                try:
                    yield
                finally:
                    place.unlink()
                return


def _is_open_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _write(path: Path, data: bytes) -> None:
    with replacing(path) as file:
        file.write(data)


def _copy(source: Any, target: Any) -> None:
    while chunk := source.read(CHUNK_BYTES):
        target.write(chunk)
