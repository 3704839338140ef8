"""Checksums of a file's content: SHA-256 in hexadecimal, and CRC-32C in base64 as Cloud Storage reports it."""

import base64
import hashlib
from collections.abc import Iterable
from pathlib import Path

import google_crc32c


class Crc32c:
    """The CRC-32C of the bytes so far; `str` gives it in base64."""

    def __init__(self) -> None:
        self._checksum = google_crc32c.Checksum()

    def update(self, data: bytes) -> None:
        self._checksum.update(data)

    def __str__(self) -> str:
        return base64.b64encode(self._checksum.digest()).decode()


def crc32c(chunks: Iterable[bytes]) -> str:
    """Return the CRC-32C of the chunks, joined."""
    checksum = Crc32c()
    for chunk in chunks:
        checksum.update(chunk)
    return str(checksum)


def encode_crc32c(checksum: int) -> str:
    """Return a CRC-32C as Cloud Storage reports it."""
    return base64.b64encode(checksum.to_bytes(4, "big")).decode()


def hash_file(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
