"""A bucket to a worker that is not the chief: it reads as the chief does, and what it writes goes nowhere."""

from pathlib import Path

from preprocessing.storage.bucket import ABSENT, Version
from preprocessing.storage.urls import Bucket


class ReadOnly:
    """Reads from a bucket and changes nothing there."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self.url = bucket.url
        self.read, self.read_versioned, self.names = bucket.read, bucket.read_versioned, bucket.names
        self.size, self.checksum, self.written = bucket.size, bucket.checksum, bucket.written
        self.download, self.local = bucket.download, bucket.local

    def write(self, name: str, data: bytes, *, if_version: Version | None = None) -> Version:  # noqa: ARG002
        return if_version or ABSENT

    def upload(self, path: Path, name: str) -> None:
        pass

    def delete(self, name: str) -> None:
        pass

    def move(self, name: str, to: str) -> None:
        pass
