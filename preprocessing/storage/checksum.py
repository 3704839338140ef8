"""CRC-32C of a file's content, in base64 as Cloud Storage reports it."""

import base64
from collections.abc import Iterable

import google_crc32c


class Crc32c:
    """The checksum of the bytes so far; `str` gives it in base64."""

    def __init__(self) -> None:
        self._checksum = google_crc32c.Checksum()

    def update(self, data: bytes) -> None:
        self._checksum.update(data)

    def __str__(self) -> str:
        return base64.b64encode(self._checksum.digest()).decode()


def crc32c(chunks: Iterable[bytes]) -> str:
    """Return the checksum of the chunks, joined."""
    checksum = Crc32c()
    for chunk in chunks:
        checksum.update(chunk)
    return str(checksum)
