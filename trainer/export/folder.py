"""An export's folder. export.json is written last: a folder without it is not an export.

model.keras  saved_model/...  export.json
"""

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preprocessing.errors import Conflict, InputError
from preprocessing.json_format import PositiveCount, encode_json, parse_json
from preprocessing.storage.bucket import ABSENT
from preprocessing.storage.urls import open_bucket

NAME = "export.json"
FORMAT = 1
ATTEMPTS = 8  # of publishing, if other processes publish to the folder at the same time
KERAS, SAVED_MODEL = "model.keras", "saved_model"


@dataclass(frozen=True)
class ExportRecord:
    """The values of export.json that are read back."""

    format: PositiveCount
    run: str
    step: int
    sha256: str


class ExportFolder:
    """A folder to export to. With `replace` an export of another checkpoint is replaced."""

    def __init__(self, url: str, *, replace: bool) -> None:
        """Open the folder. Raises InputError if it has other files, or an export of a newer format."""
        self._bucket, self._replace = open_bucket(url), replace
        self.url = self._bucket.url
        self._record = self._read()
        # A killed process may have left some of an export's files. Any other file belongs to someone else.
        names = [name for name in self._bucket.names() if not name.startswith(f"{SAVED_MODEL}/")]
        strays = [name for name in names if name not in (NAME, KERAS)]
        if strays:
            raise InputError(f"--to {self.url}: {strays[0]} is no file of an export: expected an empty or a new folder")

    def has(self, sha256: str) -> bool:
        """Return whether the folder has the export of the checkpoint with this SHA-256.

        Raises InputError if it has an export of another checkpoint, and `replace` is false.
        """
        if self._record is None:
            return False
        same = self._record.sha256 == sha256
        if not same and not self._replace:
            raise InputError(
                f"--to {self.url}: has an export of {self._record.run}, step {self._record.step}: "
                "name another folder, or replace it with --replace"
            )
        return same

    def publish(self, folder: Path, values: dict[str, Any]) -> str:
        """Publish the files below `folder`, then export.json with the `values`. Returns the URL of export.json.

        If two processes publish at once, each may have replaced files of the other. The process that notices publishes
        again, so that the last one's export is complete. Raises OSError, without an export.json, after ATTEMPTS.
        """
        local = open_bucket(str(folder))
        checksums = {name: local.stat(name).crc32c() for name in local.names()}
        for attempt in range(ATTEMPTS):
            time.sleep(attempt * random.random())
            if self._publish_once(folder, checksums, values):
                return f"{self.url}/{NAME}"
        self._bucket.delete(NAME)
        raise OSError(f"{self.url}: written by another process at the same time: export again")

    def _publish_once(self, folder: Path, checksums: Mapping[str, str], values: dict[str, Any]) -> bool:
        """Publish, and return whether no other process published meanwhile."""
        before = self._bucket.names()
        self._bucket.delete(NAME)  # the folder is incomplete until export.json is written again
        for name in checksums:
            self._bucket.upload(folder / name, name)
        for name in before:
            if name not in checksums and name != NAME:
                self._bucket.delete(name)
        if not self._has_files(checksums):
            return False
        try:
            self._bucket.write(NAME, encode_json({"format": FORMAT, **values}), if_version=ABSENT)
        except Conflict:
            return False
        return self._has_files(checksums)  # the other process may have been between two uploads

    def _has_files(self, checksums: Mapping[str, str]) -> bool:
        try:
            return all(self._bucket.stat(name).crc32c() == checksum for name, checksum in checksums.items())
        except FileNotFoundError:
            return False

    def _read(self) -> ExportRecord | None:
        try:
            data = self._bucket.read(NAME)
        except FileNotFoundError:
            return None
        return parse_json(ExportRecord, data, what="an export.json", where=f"{self.url}/{NAME}", newest_format=FORMAT)
