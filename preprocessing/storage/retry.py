"""A bucket that waits for a store that is away.

The client of Cloud Storage gives up after two minutes. A run that waits costs less than a run that ends: its machine is
there, and its failed saves wait for half an hour too.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from preprocessing.progress import Progress
from preprocessing.storage.bucket import Bucket, ObjectStat, Version

log = logging.getLogger(__name__)

PAUSE_SECONDS = 5.0  # between two tries
Result = TypeVar("Result")


class RetryingBucket:
    """A bucket whose reads are tried again for `seconds` after an OSError that a retry can help. Writes are not.

    `alive` is called after each failed try.
    """

    def __init__(self, bucket: Bucket, *, seconds: float, alive: Callable[[], None] = lambda: None) -> None:
        self.url = bucket.url
        self.write, self.upload, self.move, self.delete = bucket.write, bucket.upload, bucket.move, bucket.delete
        self._bucket, self._seconds, self._alive = bucket, seconds, alive

    def stat(self, name: str) -> ObjectStat:
        return self._retry(lambda: self._bucket.stat(name))

    def read(self, name: str) -> bytes:
        return self.read_versioned(name)[0]

    def read_versioned(self, name: str) -> tuple[bytes, Version]:
        return self._retry(lambda: self._bucket.read_versioned(name))

    def read_range(self, name: str, start: int, stop: int) -> bytes:
        return self._retry(lambda: self._bucket.read_range(name, start, stop))

    def fetch(self, name: str, folder: Path) -> Path:
        return self._retry(lambda: self._bucket.fetch(name, folder))

    def names(self, prefix: str = "", *, recursive: bool = True) -> list[str]:
        return self._retry(lambda: self._bucket.names(prefix, recursive=recursive))

    def stats(self, prefix: str = "", *, recursive: bool = True) -> dict[str, ObjectStat]:
        return self._retry(lambda: self._bucket.stats(prefix, recursive=recursive))

    def _retry(self, read: Callable[[], Result]) -> Result:
        return retry_outage(read, seconds=self._seconds, alive=self._alive)


def retry_outage(
    operation: Callable[[], Result], *, seconds: float, alive: Callable[[], None] = lambda: None
) -> Result:
    """Return what `operation` returns. Try it again for `seconds` after an OSError that a retry can help."""
    progress, is_first = Progress(line_seconds=30.0), True
    while True:
        try:
            return operation()
        except OSError as error:
            if not _is_outage(error) or progress.seconds > seconds:
                raise
            if is_first or progress.is_due():
                log.warning("waiting for the store, %.0f of %.0f s: %s", progress.seconds, seconds, error)
        is_first = False
        alive()
        time.sleep(PAUSE_SECONDS)


def _is_outage(error: OSError) -> bool:
    """Return whether a store may answer later. Errors of the local disk have a number; missing permissions stay."""
    if isinstance(error, FileNotFoundError | PermissionError):
        return False
    return error.errno is None or isinstance(error, ConnectionError | TimeoutError)
