"""What is the same of an object wherever it is kept: its name, its checksum, and what a lost write says."""

import base64
from collections.abc import Iterable
from pathlib import PurePosixPath

import google_crc32c

from trainer.store import ABSENT, Conflict, Version


def checked(name: str) -> str:
    """The object's name; ValueError if it is none or leads outside its bucket."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts:
        raise ValueError(f"object name {name!r}: expected a relative path without ..")
    return name


def crc32c(chunks: Iterable[bytes]) -> str:
    """The CRC-32C of a content, in base64 as Cloud Storage gives it."""
    checksum = google_crc32c.Checksum()
    for chunk in chunks:
        checksum.update(chunk)
    return base64.b64encode(checksum.digest()).decode()


def conflict(url: str, *, expected: Version, found: Version) -> Conflict:
    """What a conditional write raises."""
    return Conflict(f"{url}: expected {_described(expected)}, found {_described(found)}")


def _described(version: Version) -> str:
    return "no object" if version == ABSENT else f"version {version[:16]}"
