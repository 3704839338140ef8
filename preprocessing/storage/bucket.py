"""Objects by name, behind one interface for a local folder and for Google Cloud Storage.

A write is atomic. It may be conditional on the version that the object has. By that compare-and-swap, two
processes that write one run, or one registry of models, find out about each other.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from preprocessing.errors import Conflict

Version = str  # of an object's content; every write that changes the object changes its version
ABSENT: Version = "0"  # the version of an object that does not exist


@dataclass(frozen=True)
class ObjectStat:
    """An object's size, its time and its checksum."""

    bytes: int
    written_seconds: float  # Unix time of the last write
    crc32c: Callable[[], str]  # base64, as Cloud Storage reports it; a local file is read for it


class Bucket(Protocol):
    """A folder of objects. An object's name is relative to the bucket's URL, with / between its parts.

    A method raises FileNotFoundError, with the object's URL, if the object does not exist. It raises InputError if
    the bucket does not exist, if there is no permission, or if a file stands where a folder is expected. It raises
    OSError if a retry can help.
    """

    url: str

    def stat(self, name: str) -> ObjectStat:
        """Return an object's size, time and checksum."""

    def read(self, name: str) -> bytes:
        """Return an object's content."""
        return self.read_versioned(name)[0]

    def read_versioned(self, name: str) -> tuple[bytes, Version]:
        """Return an object's content and its version."""

    def read_range(self, name: str, start: int, stop: int) -> bytes:
        """Return an object's bytes `start` to `stop` - 1, as they are stored. It must have more than `start` bytes."""

    def fetch(self, name: str, folder: Path) -> Path:
        """Return a local file with an object's content: the object's own file, or a copy at `folder`/`name`."""

    def names(self, prefix: str = "", *, recursive: bool = True) -> list[str]:
        """Return the names that start with `prefix`, sorted; unless `recursive`, only names without a / after it."""
        return sorted(self.stats(prefix, recursive=recursive))

    def stats(self, prefix: str = "", *, recursive: bool = True) -> dict[str, ObjectStat]:
        """Return the size, time and checksum of the objects that `names` returns, by name. Reads one listing."""

    def write(self, name: str, data: bytes, *, if_version: Version | None = None) -> Version:
        """Write an object and return its new version. Raises Conflict if its version is not `if_version`."""

    def upload(self, path: Path, name: str) -> None:
        """Write a local file's content as an object."""

    def move(self, name: str, to: str) -> None:
        """Rename an object; an object that has the name `to` is replaced."""

    def delete(self, name: str) -> None:
        """Delete an object, if it exists."""


@contextmanager
def local_file(bucket: Bucket, name: str, scratch: Path | None = None) -> Iterator[Path]:
    """Give a local file with an object's content for the block. A copy, below `scratch`, is deleted after it."""
    with tempfile.TemporaryDirectory(prefix="object-", dir=scratch) as folder:
        yield bucket.fetch(name, Path(folder))


class ReadOnlyBucket:
    """A bucket whose writes do nothing, for a worker that is not the chief."""

    def __init__(self, bucket: Bucket) -> None:
        self.url = bucket.url
        self.stat, self.read, self.read_versioned = bucket.stat, bucket.read, bucket.read_versioned
        self.read_range, self.fetch = bucket.read_range, bucket.fetch
        self.names, self.stats = bucket.names, bucket.stats

    def write(self, name: str, data: bytes, *, if_version: Version | None = None) -> Version:  # noqa: ARG002
        return if_version or ABSENT

    def upload(self, path: Path, name: str) -> None:
        pass

    def move(self, name: str, to: str) -> None:
        pass

    def delete(self, name: str) -> None:
        pass


class VersionedObject:
    """An object written with compare-and-swap. A write raises Conflict if another process wrote the object since."""

    def __init__(self, bucket: Bucket, name: str) -> None:
        self._bucket, self._name = bucket, name
        self._version: Version = ABSENT
        self._failed: set[bytes] = set()  # content of writes that raised OSError, and yet may have been carried out

    def read(self) -> bytes | None:
        """Return the object's content, or None if the object does not exist."""
        try:
            data, self._version = self._bucket.read_versioned(self._name)
        except FileNotFoundError:
            return None
        return data

    def write(self, data: bytes) -> None:
        """Replace the object as it was last read or written here.

        Raises Conflict, with nothing changed, if another process wrote the object since. After an OSError the
        write may be repeated.
        """
        try:
            self._write(data)
        except Conflict:
            # The answer to an earlier write may have been lost: then the object is as this process wrote it.
            if not self._failed or self.read() not in self._failed:
                raise
            self._write(data)

    def _write(self, data: bytes) -> None:
        try:
            self._version = self._bucket.write(self._name, data, if_version=self._version)
        except OSError:
            self._failed.add(data)
            raise
        self._failed = set()


def describe_conflict(url: str, *, expected: Version, actual: Version) -> str:
    """Return the message of a Conflict."""
    return f"{url}: expected {_describe(expected)}, found {_describe(actual)}"


def _describe(version: Version) -> str:
    return "no object" if version == ABSENT else f"version {version[:16]}"
