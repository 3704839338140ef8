"""What training needs of the place that a run is kept in; urls has it for folders and Cloud Storage."""

from pathlib import Path
from typing import Protocol

Version = str  # of an object; another after each write that changes it
ABSENT: Version = "0"  # the version of an object that is not there


class Conflict(Exception):
    """A conditional write found another version than it was told to, and wrote nothing."""


class Store(Protocol):
    """Objects by name. FileNotFoundError where there is none; a write is whole or not at all."""

    @property
    def url(self) -> str: ...
    def read_versioned(self, name: str) -> tuple[bytes, Version]: ...
    def write(self, name: str, data: bytes, *, if_version: Version | None = None) -> Version: ...
    def upload(self, path: Path, name: str) -> None: ...
    def download(self, name: str, path: Path) -> None: ...
    def delete(self, name: str) -> None: ...
    def names(self, prefix: str = "") -> list[str]: ...
