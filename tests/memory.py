"""A store in memory, whose faults a test decides."""

from collections.abc import Callable
from pathlib import Path

from trainer.store import ABSENT, Conflict


class Memory:
    """A store in memory; `before` is called with each verb and name, and may raise."""

    url = "memory"

    def __init__(self, before: Callable[[str, str], None] = lambda *_: None) -> None:
        self.objects: dict[str, bytes] = {}
        self.before = before

    def read_versioned(self, name: str) -> tuple[bytes, str]:
        self.before("read", name)
        if name not in self.objects:
            raise FileNotFoundError(name)
        return self.objects[name], str(hash(self.objects[name]))

    def write(self, name: str, data: bytes, *, if_version: str | None = None) -> str:
        self.before("write", name)
        found = str(hash(self.objects[name])) if name in self.objects else ABSENT
        if if_version not in (None, found):
            raise Conflict(name)
        self.objects[name] = data
        return str(hash(data))

    def upload(self, path: Path, name: str) -> None:
        self.before("upload", name)
        self.objects[name] = path.read_bytes()

    def download(self, name: str, path: Path) -> None:
        self.before("download", name)
        if name not in self.objects:
            raise FileNotFoundError(name)
        path.write_bytes(self.objects[name])

    def delete(self, name: str) -> None:
        self.before("delete", name)
        self.objects.pop(name, None)

    def names(self, prefix: str = "") -> list[str]:
        self.before("names", prefix)
        return [name for name in self.objects if name.startswith(prefix)]
