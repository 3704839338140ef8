"""Objects as files in a local folder.

A write goes to a temporary file beside its object, is synced and renamed. A version is the SHA-256 of the content,
compared and replaced under a lock on the object's folder.
"""

import errno
import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from preprocessing.errors import Conflict, InputError
from preprocessing.storage.atomic import NO_PATH, as_input_error, check_object_name, is_temporary, replace_file
from preprocessing.storage.bucket import ABSENT, Bucket, ObjectStat, Version, describe_conflict
from preprocessing.storage.checksum import crc32c

CHUNK_BYTES = 1 << 20
LOCK = ".lock.tmp"  # a temporary file's name, which no bucket lists


class LocalBucket(Bucket):
    """A local folder; the first write makes it."""

    def __init__(self, root: Path) -> None:
        self.url = str(root)
        self._root = root

    def stat(self, name: str) -> ObjectStat:
        with self._open(name) as file:
            return self._stat(name, os.fstat(file.fileno()))

    def read_versioned(self, name: str) -> tuple[bytes, Version]:
        with self._open(name) as file:
            data = file.read()
        return data, _version(data)

    def read_range(self, name: str, start: int, stop: int) -> bytes:
        with self._open(name) as file:
            file.seek(start)
            return file.read(stop - start)

    def fetch(self, name: str, folder: Path) -> Path:  # noqa: ARG002 (a local file needs no copy)
        with self._open(name):
            return self._path(name)

    def names(self, prefix: str = "", *, recursive: bool = True) -> list[str]:
        names: list[str] = []
        # Path.rglob fails if another process deletes a folder meanwhile, os.walk does not.
        for parent, folders, files in os.walk(self._root / prefix.rpartition("/")[0]):
            names += (Path(parent, file).relative_to(self._root).as_posix() for file in files if not is_temporary(file))
            if not recursive:
                folders.clear()
        return sorted(name for name in names if name.startswith(prefix) and (self._root / name).is_file())

    def stats(self, prefix: str = "", *, recursive: bool = True) -> dict[str, ObjectStat]:
        stats = {}
        for name in self.names(prefix, recursive=recursive):
            with suppress(FileNotFoundError):  # deleted meanwhile
                stats[name] = self._stat(name, (self._root / name).stat())
        return stats

    def write(self, name: str, data: bytes, *, if_version: Version | None = None) -> Version:
        path = self._path(name)
        if if_version is None:
            _write(path, data)
        else:
            with _lock(path):
                actual_version = _version(path.read_bytes()) if path.exists() else ABSENT
                if actual_version != if_version:
                    raise Conflict(describe_conflict(str(path), expected=if_version, actual=actual_version))
                _write(path, data)
        return _version(data)

    def upload(self, path: Path, name: str) -> None:
        with path.open("rb") as source, replace_file(self._path(name)) as file:
            shutil.copyfileobj(source, file, CHUNK_BYTES)

    def move(self, name: str, to: str) -> None:
        source, target = self._path(name), self._path(to)
        with as_input_error(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with source.open("rb") as file:
                os.fsync(file.fileno())  # its writer may not have synced it
            source.replace(target)
        self._delete_empty_folders(source)

    def delete(self, name: str) -> None:
        path = self._path(name)
        # A folder, or a path below a file, is no object, as in Cloud Storage.
        with as_input_error(path), suppress(NotADirectoryError, IsADirectoryError):
            path.unlink(missing_ok=True)
            self._delete_empty_folders(path)

    def _delete_empty_folders(self, path: Path) -> None:
        """Delete the folders above `path` that are empty now, as Cloud Storage has no empty folders."""
        for folder in path.parents:
            if folder == self._root:
                return
            try:
                folder.rmdir()
            except OSError:
                return

    def _stat(self, name: str, status: os.stat_result) -> ObjectStat:
        return ObjectStat(status.st_size, status.st_mtime, lambda: self._crc32c(name))

    def _crc32c(self, name: str) -> str:
        with self._open(name) as file:
            return crc32c(iter(lambda: file.read(CHUNK_BYTES), b""))

    def _path(self, name: str) -> Path:
        return self._root / check_object_name(name)

    @contextmanager
    def _open(self, name: str) -> Iterator[BinaryIO]:
        path = self._path(name)
        try:
            kind = path.stat().st_mode
            if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
                raise InputError(f"{path}: cannot be read: not a file")  # to open a pipe waits for its writer
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
def _lock(path: Path) -> Iterator[None]:
    """Keep other processes from conditional writes in the folder of `path` during the block."""
    # The lock is on a file, as NFS locks only what is open for writing. The file is deleted after the block, so that
    # a folder can go with its last object; the filelock package would leave it.
    lock_path = path.parent / LOCK
    while True:
        with as_input_error(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = lock_path.open("ab")
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _is_open_at(lock, lock_path):
                continue  # the lock's last holder deleted the file meanwhile
            try:
                yield
            finally:
                lock_path.unlink()
            return


def _is_open_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _version(data: bytes) -> Version:
    return hashlib.sha256(data).hexdigest()


def _write(path: Path, data: bytes) -> None:
    with replace_file(path) as file:
        file.write(data)
