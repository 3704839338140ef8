import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from preprocessing.errors import InputError
from trainer.checkpoints import Checkpoints, newest
from trainer.store import ABSENT, POINTER, Conflict


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


def opened(store: Memory, folder: Path, *, keep: int = 2) -> Checkpoints:
    return Checkpoints(store, keep=keep, scratch=folder)


def save(checkpoints: Checkpoints, step: int) -> None:
    arrays = {"weights/a": np.full(3, step, np.float32), "optimizer/iteration": np.array(step)}
    checkpoints.save(arrays, step=step, epoch=1, losses=(0.1, step / 3))
    checkpoints.wait()


def files(store: Memory) -> list[int]:
    return sorted(int(name.split("-")[1]) for name in store.objects if name != POINTER)


def test_what_was_saved_is_restored_bit_for_bit(tmp_path: Path) -> None:
    store = Memory()
    save(opened(store, tmp_path), 7)
    found = opened(store, tmp_path).restore()
    assert found is not None
    saved, arrays = found
    assert (saved.step, saved.epoch, saved.losses) == (7, 1, (0.1, 7 / 3))
    assert arrays["weights/a"].tolist() == [7, 7, 7]
    assert arrays["optimizer/iteration"] == 7
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_checkpoints_restores_nothing(tmp_path: Path) -> None:
    assert opened(Memory(), tmp_path).restore() is None
    with pytest.raises(InputError, match="memory: no checkpoint.json"):
        newest(Memory(), tmp_path)


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    store = Memory()
    checkpoints = opened(store, tmp_path)
    for step in (1, 2, 3, 4):
        save(checkpoints, step)
    assert files(store) == [3, 4]
    assert [one["step"] for one in json.loads(store.objects[POINTER])["checkpoints"]] == [4, 3]


def test_the_pointer_names_only_files_that_are_there_at_any_instant(tmp_path: Path) -> None:
    def check(verb: str, name: str) -> None:  # noqa: ARG001
        if POINTER in store.objects:
            named = [one["file"] for one in json.loads(store.objects[POINTER])["checkpoints"]]
            assert set(named) <= store.objects.keys()

    store = Memory(check)
    checkpoints = opened(store, tmp_path)
    for step in range(1, 6):
        save(checkpoints, step)


@pytest.mark.parametrize("verb", ["upload", "write"])
def test_a_save_that_failed_is_not_the_latest_and_the_next_one_is(tmp_path: Path, verb: str) -> None:
    def fail(what: str, name: str) -> None:
        if what == verb and failing:
            raise OSError(f"no {what} of {name}")

    store, failing = Memory(fail), []
    checkpoints = opened(store, tmp_path)
    save(checkpoints, 1)
    failing.append(True)
    with pytest.raises(OSError, match="no "):
        save(checkpoints, 2)
    found = opened(store, tmp_path).restore()
    assert found is not None
    assert found[0].step == 1
    failing.clear()
    save(checkpoints, 3)
    found = opened(store, tmp_path).restore()
    assert found is not None
    assert found[0].step == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:-1] + b"?", lambda _: b"", None])
def test_a_damaged_newest_is_reported_and_the_one_before_used(
    tmp_path: Path, damage: Callable[[bytes], bytes] | None, caplog: pytest.LogCaptureFixture
) -> None:
    store = Memory()
    checkpoints = opened(store, tmp_path)
    save(checkpoints, 1)
    save(checkpoints, 2)
    latest = next(name for name in store.objects if "00002" in name)
    if damage:
        store.objects[latest] = damage(store.objects[latest])
    else:
        del store.objects[latest]
    with caplog.at_level(logging.ERROR):
        again = opened(store, tmp_path)
        found = again.restore()
    assert found is not None
    assert found[0].step == 1
    assert "step 2 is damaged" in caplog.text
    save(again, 2)  # training goes on from there and makes the damaged one good again
    found = opened(store, tmp_path).restore()
    assert found is not None
    assert found[0].step == 2


def test_a_run_with_no_whole_checkpoint_stops_and_says_so(tmp_path: Path) -> None:
    store = Memory()
    save(opened(store, tmp_path), 1)
    del store.objects[next(name for name in store.objects if name != POINTER)]
    with pytest.raises(InputError, match="none of the 1 checkpoints named in checkpoint.json is whole"):
        opened(store, tmp_path).restore()


@pytest.mark.parametrize("pointer", [b"", b"{}", b"[]", b'{"format": 1, "checkpoints": []}', b"\xff"])
def test_a_pointer_that_cannot_be_read_stops_and_says_so(tmp_path: Path, pointer: bytes) -> None:
    store = Memory()
    store.objects[POINTER] = pointer
    with pytest.raises(InputError, match="memory/checkpoint.json: not a checkpoint pointer"):
        opened(store, tmp_path).restore()


@pytest.mark.parametrize(
    "change",
    [{"step": "11"}, {"step": 0}, {"epoch": None}, {"file": "../x"}, {"file": "config.yaml"}, {"losses": ["a"]}],
)
def test_a_pointer_whose_entry_was_altered_stops_and_says_so(tmp_path: Path, change: dict[str, object]) -> None:
    store = Memory()
    save(opened(store, tmp_path), 1)
    pointer = json.loads(store.objects[POINTER])
    pointer["checkpoints"][0] |= change
    store.objects[POINTER] = json.dumps(pointer).encode()
    with pytest.raises(InputError, match="memory/checkpoint.json: not a checkpoint pointer"):
        opened(store, tmp_path).restore()


def test_a_pointer_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    store = Memory()
    store.objects[POINTER] = b'{"format": 9, "checkpoints": []}'
    with pytest.raises(InputError, match="format 9, expected at most 1"):
        opened(store, tmp_path).restore()


def test_of_two_owners_of_a_run_the_second_to_write_loses_and_changes_nothing(tmp_path: Path) -> None:
    store = Memory()
    save(opened(store, tmp_path), 1)
    one, other = opened(store, tmp_path), opened(store, tmp_path)
    one.restore()
    other.restore()
    save(one, 2)
    before = store.objects[POINTER]
    with pytest.raises(Conflict):
        save(other, 3)
    assert store.objects[POINTER] == before
    assert {1, 2} <= set(files(store))
