"""A bucket in memory, into which a test injects faults."""

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from preprocessing.errors import Conflict
from preprocessing.storage.bucket import ABSENT, Bucket, ObjectStat
from preprocessing.storage.checksum import crc32c
from trainer.runs.checkpoint_index import CHECKPOINT_INDEX


class Memory(Bucket):
    """A bucket in memory. `before` is called with the verb and name of each operation, and may raise.

    `after` is called after each write and upload. An error from `after` stands for a lost answer.
    """

    url = "memory"

    def __init__(self, before: Callable[[str, str], None] = lambda *_: None) -> None:
        self.objects: dict[str, bytes] = {}
        self.times: dict[str, float] = {}  # of the last write; 0 for an object that a test put into `objects`
        self.before = before
        self.after: Callable[[str, str], None] = lambda *_: None

    def checkpoints(self) -> list[dict[str, Any]]:
        """Return the entries of checkpoint.json, newest first. Without checkpoint.json the list is empty."""
        return json.loads(self.objects[CHECKPOINT_INDEX])["checkpoints"] if CHECKPOINT_INDEX in self.objects else []

    def read_versioned(self, name: str) -> tuple[bytes, str]:
        self.before("read", name)
        if name not in self.objects:
            raise FileNotFoundError(name)
        return self.objects[name], str(hash(self.objects[name]))

    def read_range(self, name: str, start: int, stop: int) -> bytes:
        return self.read_versioned(name)[0][start:stop]

    def write(self, name: str, data: bytes, *, if_version: str | None = None) -> str:
        self.before("write", name)
        version = str(hash(self.objects[name])) if name in self.objects else ABSENT
        if if_version not in (None, version):
            raise Conflict(name)
        self.objects[name], self.times[name] = data, time.monotonic()
        self.after("write", name)
        return str(hash(data))

    def upload(self, path: Path, name: str) -> None:
        self.before("upload", name)
        self.objects[name], self.times[name] = path.read_bytes(), time.monotonic()
        self.after("upload", name)

    def fetch(self, name: str, folder: Path) -> Path:
        self.before("fetch", name)
        if name not in self.objects:
            raise FileNotFoundError(name)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.objects[name])
        return path

    def delete(self, name: str) -> None:
        self.before("delete", name)
        self.objects.pop(name, None)

    def names(self, prefix: str = "", *, recursive: bool = True) -> list[str]:
        self.before("names", prefix)
        names = [name for name in self.objects if name.startswith(prefix)]
        return names if recursive else [name for name in names if "/" not in name.removeprefix(prefix)]

    def stat(self, name: str) -> ObjectStat:
        self.read(name)
        return self.stats(name)[name]

    def stats(self, prefix: str = "", *, recursive: bool = True) -> dict[str, ObjectStat]:
        names = self.names(prefix, recursive=recursive)
        return {
            name: ObjectStat(len(self.objects[name]), self.times.get(name, 0.0), partial(self._crc32c, name))
            for name in names
        }

    def _crc32c(self, name: str) -> str:
        return crc32c([self.objects[name]])

    def move(self, name: str, to: str) -> None:
        self.write(to, self.read(name))
        self.delete(name)


def no_answer(verb: str, name: str) -> None:
    """Raise OSError, as Memory.after does for a lost answer."""
    raise OSError(f"no answer to {verb} {name}")
