"""An export's folder. export.json is written last: a folder without it is not an export.

model.keras  saved_model/...  export.json
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preprocessing.errors import InputError
from preprocessing.json_format import PositiveCount, encode_json, parse_json
from preprocessing.storage.urls import open_bucket

NAME = "export.json"
FORMAT = 1
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

        Raises OSError, and writes no export.json, if another process has written to the folder meanwhile.
        """
        before = self._bucket.names()
        self._bucket.delete(NAME)  # from here on the folder is incomplete, until export.json is written again
        names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        for name in names:
            self._bucket.upload(folder / name, name)
        for name in before:
            if name not in names and name != NAME:
                self._bucket.delete(name)
        # Two processes that export at once may each have written some of the files. Then neither export is whole.
        local = open_bucket(str(folder))
        for name in names:
            if self._bucket.stat(name).crc32c() != local.stat(name).crc32c():
                raise OSError(f"{self.url}/{name}: written by another process meanwhile: export again")
        # Another process' export.json may stand there: its files have just been replaced.
        self._bucket.write(NAME, encode_json({"format": FORMAT, **values}))
        return f"{self.url}/{NAME}"

    def _read(self) -> ExportRecord | None:
        try:
            data = self._bucket.read(NAME)
        except FileNotFoundError:
            return None
        return parse_json(ExportRecord, data, what="an export.json", where=f"{self.url}/{NAME}", newest_format=FORMAT)
