"""An object that one process at a time writes, and how two that do find out about each other."""

from preprocessing.errors import Conflict
from preprocessing.storage.bucket import ABSENT, Store, Version


class Owned:
    """Written on the condition that it still is as this process last read or wrote it; else Conflict."""

    def __init__(self, store: Store, name: str) -> None:
        self._store, self._name = store, name
        self._version: Version = ABSENT
        self._failed: set[bytes] = set()  # writes that ended in an error, and yet may have been carried out

    def read(self) -> bytes | None:
        """What it holds; None if it is not there."""
        try:
            data, self._version = self._store.read_versioned(self._name)
        except FileNotFoundError:
            return None
        return data

    def write(self, data: bytes) -> None:
        """Raises Conflict, with nothing changed, if another process wrote it since; OSError may be tried again."""
        try:
            self._write(data)
        except Conflict:
            # The answer to an earlier write of ours may have been lost: then what is there is what we wrote.
            if not self._failed or self.read() not in self._failed:
                raise
            self._write(data)

    def _write(self, data: bytes) -> None:
        try:
            self._version = self._store.write(self._name, data, if_version=self._version)
        except OSError:
            self._failed.add(data)
            raise
        self._failed = set()
