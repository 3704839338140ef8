"""The checksum of a part of a file, computed while the part is read by others."""

import io
from typing import IO, Any

import google_crc32c

CHUNK_BYTES = 1 << 20


class ChecksummedPart(io.RawIOBase):
    """A file of which bytes `start` to `stop` - 1 are checksummed as they are read.

    The bytes must be read in order to count; `finish` reads those that were not. To close it does not close the file:
    a buffered reader closes what it reads from when it is deleted.
    """

    def __init__(self, stream: IO[bytes], *, start: int, stop: int) -> None:
        self._stream, self._next, self._stop = stream, start, stop
        self._position = 0
        self._crc = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._stream.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = self._stream.seek(offset, whence)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self._add(data)
        return len(data)

    def finish(self) -> int:
        """Read the bytes that were not read in order. Return the CRC-32C of the part."""
        if self._next < self._stop:
            self.seek(self._next)
        while self._next < self._stop and (data := self._stream.read(min(CHUNK_BYTES, self._stop - self._next))):
            self._add(data)
        return self._crc

    def _add(self, data: bytes) -> None:
        first, self._position = self._position, self._position + len(data)
        if first <= self._next < min(self._position, self._stop):
            new = data[self._next - first : self._stop - first]
            self._crc = google_crc32c.extend(self._crc, new)
            self._next += len(new)


def join_crc32c(first: int, second: int, second_bytes: int) -> int:
    """Return the CRC-32C of two parts joined, from the CRC-32C of each and the second part's length.

    A CRC is linear: crc(ab) = crc(b) ^ crc(a, then as many zeros as b has bytes) ^ crc(those zeros).
    """
    shifted, zeros = first, 0
    for begin in range(0, second_bytes, CHUNK_BYTES):
        block = bytes(min(CHUNK_BYTES, second_bytes - begin))
        shifted, zeros = google_crc32c.extend(shifted, block), google_crc32c.extend(zeros, block)
    return int(second ^ shifted ^ zeros)
