"""Objects as streams, for pipelines: read a part at a time, and written without holding them in memory.

A store that is away for a moment, or credentials that cannot be refreshed for a moment, do not end a pipeline.
"""

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from preprocessing.storage.bucket import Bucket
from preprocessing.storage.retry import RetryingBucket, retry_outage
from preprocessing.storage.urls import is_local, open_bucket, split_url

READ_BYTES = 8 << 20  # a request; a part of a source is 32 MiB, and its last line begins one more request
OUTAGE_SECONDS = 90.0  # from the first failed try on; each try of the client may take two minutes


class ObjectStream(io.RawIOBase):
    """An object of `size` bytes, to read from any position. No request asks for its size."""

    def __init__(self, bucket: Bucket, name: str, *, size: int) -> None:
        self._bucket, self._name, self._size, self._position = bucket, name, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError(f"seek to {start + offset}: expected 0 or more")
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        stop = min(self._position + len(buffer), self._size)
        if stop <= self._position:
            return 0
        data = self._bucket.read_range(self._name, self._position, stop)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def open_stream(url: str, *, size: int) -> IO[bytes]:
    """Open an object of `size` bytes to read its bytes as they are stored."""
    bucket, name = retry_outage(lambda: split_url(url), seconds=OUTAGE_SECONDS)
    stream = ObjectStream(RetryingBucket(bucket, seconds=OUTAGE_SECONDS), name, size=size)
    return io.BufferedReader(stream, min(READ_BYTES, max(size, 1)))


@contextmanager
def create_stream(folder: str, name: str) -> Iterator[IO[bytes]]:
    """Open an object to write. It replaces an object of this name after the block.

    A local folder is made if it is missing. In it, a block that raises leaves a part of the file.
    """
    if is_local(folder):
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            yield file
        return
    with tempfile.NamedTemporaryFile(prefix="upload-") as copy:
        yield copy
        copy.flush()
        retry_outage(lambda: open_bucket(folder).upload(Path(copy.name), name), seconds=OUTAGE_SECONDS)
