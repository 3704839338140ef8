"""An export's folder: complete, which is with an export.json that names its files, or none.

model.keras  saved_model/...  export.json
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preprocessing.errors import InputError
from preprocessing.json_format import PositiveInt, encode_json, parse_json
from preprocessing.storage.urls import open_bucket

NAME = "export.json"
FORMAT = 1
KERAS, SAVED_MODEL = "model.keras", "saved_model"


@dataclass(frozen=True)
class Export:
    """The values of an export.json that are read back."""

    format: PositiveInt
    run: str
    step: int
    sha256: str


class Exports:
    """A folder to export to; InputError if what is in it is not an export, or of a newer format."""

    def __init__(self, url: str, *, replace: bool) -> None:
        self._bucket, self._replace = open_bucket(url), replace
        self.url = self._bucket.url
        self._found = self._read()
        # Without an export.json they are what a killed process has left.
        others = [name for name in self._bucket.names() if not name.startswith(f"{SAVED_MODEL}/")]
        strays = [name for name in others if name not in (NAME, KERAS)]
        if strays:
            raise InputError(f"--to {self.url}: {strays[0]} is not an export's: expected an empty folder or a new one")

    def has(self, sha256: str) -> bool:
        """Whether it is the export of the checkpoint of this SHA-256; InputError if of another, not to be replaced."""
        if self._found is None:
            return False
        same = self._found.sha256 == sha256
        if not same and not self._replace:
            raise InputError(
                f"--to {self.url}: has an export of {self._found.run}, step {self._found.step}: "
                "name another folder, or replace it with --replace"
            )
        return same

    def publish(self, folder: Path, values: dict[str, Any]) -> str:
        """Makes the files below `folder` the export; the URL of its export.json, which holds the `values`.

        OSError, and no export.json of this process, if another one has written to the folder meanwhile.
        """
        before = self._bucket.names()
        self._bucket.delete(NAME)  # from here on there is none, until the new one is whole
        names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        for name in names:
            self._bucket.upload(folder / name, name)
        for name in before:
            if name not in names and name != NAME:
                self._bucket.delete(name)
        # Of two processes that export at once each may have written some of the files: then neither has an export.
        local = open_bucket(str(folder))
        for name in names:
            if self._bucket.stat(name).crc32c() != local.stat(name).crc32c():
                raise OSError(f"{self.url}/{name}: written by another process meanwhile: export again")
        # Another process' export.json may stand there: its files have just been replaced.
        self._bucket.write(NAME, encode_json({"format": FORMAT, **values}))
        return f"{self.url}/{NAME}"

    def _read(self) -> Export | None:
        try:
            data = self._bucket.read(NAME)
        except FileNotFoundError:
            return None
        return parse_json(Export, data, what="an export.json", where=f"{self.url}/{NAME}", newest_format=FORMAT)
