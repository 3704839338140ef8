"""The checksum of a whole file that Cloud Storage keeps: CRC-32C, in base64."""

import base64
from collections.abc import Iterable

import google_crc32c


class Crc32c:
    """Of the bytes given so far."""

    def __init__(self) -> None:
        self._checksum = google_crc32c.Checksum()

    def update(self, data: bytes) -> None:
        self._checksum.update(data)

    def __str__(self) -> str:
        return base64.b64encode(self._checksum.digest()).decode()


def crc32c(chunks: Iterable[bytes]) -> str:
    """Of a content, some at a time."""
    checksum = Crc32c()
    for chunk in chunks:
        checksum.update(chunk)
    return str(checksum)
