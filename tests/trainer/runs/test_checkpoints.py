import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from preprocessing.errors import Conflict, InputError
from preprocessing.storage.bucket import Bucket, ReadOnlyBucket, Version
from preprocessing.storage.urls import open_bucket
from tests.support.memory import Memory, no_answer
from trainer.runs.checkpoint_index import CHECKPOINT_INDEX, CheckpointEntry, Position, Retention
from trainer.runs.checkpoints import Checkpoints, Snapshot, read_newest


def opened(store: Memory, folder: Path, *, every_steps: int = 0) -> Checkpoints:
    return Checkpoints(store, retention=Retention(2, every_steps=every_steps), scratch=folder)


def save(checkpoints: Checkpoints, step: int, *, epoch: int = 1, validation: float | None = None) -> None:
    arrays = {"weights/a": np.full(3, step, np.float32), "optimizer/iteration": np.array(step)}
    position = Position(step=step, epoch=epoch, losses=(0.1, step / 3), validation=validation)
    checkpoints.commit(Snapshot(position, arrays))


def restored(checkpoints: Checkpoints) -> CheckpointEntry:
    found = checkpoints.restore()
    assert found is not None
    return found[0]


def files(store: Memory) -> list[int]:
    return sorted(int(name.split("-")[1]) for name in store.objects if name != CHECKPOINT_INDEX)


def steps_of(bucket: Bucket) -> list[int]:
    return sorted(int(name.split("-")[1]) for name in bucket.names("checkpoints/"))


def test_checkpoint_is_restored_bit_exact(tmp_path: Path) -> None:
    store = Memory()
    save(opened(store, tmp_path), 7)
    found = opened(store, tmp_path).restore()
    assert found is not None
    entry, arrays = found
    assert (entry.step, entry.epoch, entry.losses) == (7, 1, (0.1, 7 / 3))
    assert arrays["weights/a"].tolist() == [7, 7, 7]
    assert arrays["optimizer/iteration"] == 7
    assert list(tmp_path.iterdir()) == []


def test_run_without_checkpoints_restores_nothing(tmp_path: Path) -> None:
    assert opened(Memory(), tmp_path).restore() is None
    with pytest.raises(InputError, match="memory: no checkpoint.json"):
        read_newest(Memory(), tmp_path)


def test_last_two_are_kept(tmp_path: Path) -> None:
    store = Memory()
    checkpoints = opened(store, tmp_path)
    for step in (1, 2, 3, 4):
        save(checkpoints, step)
    assert files(store) == [3, 4]
    assert [one["step"] for one in store.checkpoints()] == [4, 3]


def test_index_names_only_files_that_exist_at_any_instant(tmp_path: Path) -> None:
    def check(verb: str, name: str) -> None:  # noqa: ARG001
        assert {one["file"] for one in store.checkpoints()} <= store.objects.keys()

    store = Memory(check)
    checkpoints = opened(store, tmp_path)
    for step in range(1, 6):
        save(checkpoints, step)


@pytest.mark.parametrize("verb", ["upload", "write"])
def test_failed_save_is_not_the_newest_checkpoint_and_the_next_save_is(tmp_path: Path, verb: str) -> None:
    def fail(what: str, name: str) -> None:
        if what == verb and failing:
            raise OSError(f"no {what} of {name}")

    store, failing = Memory(fail), []
    checkpoints = opened(store, tmp_path)
    save(checkpoints, 1)
    failing.append(True)
    with pytest.raises(OSError, match="no "):
        save(checkpoints, 2)
    assert restored(opened(store, tmp_path)).step == 1
    failing.clear()
    save(checkpoints, 3)
    assert restored(opened(store, tmp_path)).step == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:-1] + b"?", lambda _: b"", None])
def test_damaged_newest_checkpoint_is_logged_and_the_one_before_is_used(
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
        found = restored(again)
    assert found.step == 1
    assert "step 2 is damaged" in caplog.text
    save(again, 2)  # training resumes there and writes the damaged checkpoint again
    assert restored(opened(store, tmp_path)).step == 2


def test_run_with_only_damaged_checkpoints_stops_and_says_so(tmp_path: Path) -> None:
    store = Memory()
    save(opened(store, tmp_path), 1)
    del store.objects[next(name for name in store.objects if name != CHECKPOINT_INDEX)]
    with pytest.raises(InputError, match="none of the 1 checkpoints named in checkpoint.json is whole"):
        opened(store, tmp_path).restore()


@pytest.mark.parametrize("index", [b"", b"{}", b"[]", b'{"format": 1, "checkpoints": []}', b"\xff"])
def test_index_that_cannot_be_read_stops_the_run_and_says_so(tmp_path: Path, index: bytes) -> None:
    store = Memory()
    store.objects[CHECKPOINT_INDEX] = index
    with pytest.raises(InputError, match="memory/checkpoint.json: not a checkpoint index"):
        opened(store, tmp_path).restore()


@pytest.mark.parametrize(
    "change",
    [{"step": "11"}, {"step": 0}, {"epoch": None}, {"file": "../x"}, {"file": "config.yaml"}, {"losses": ["a"]}],
)
def test_index_with_an_altered_entry_stops_the_run_and_says_so(tmp_path: Path, change: dict[str, object]) -> None:
    store = Memory()
    save(opened(store, tmp_path), 1)
    index = json.loads(store.objects[CHECKPOINT_INDEX])
    index["checkpoints"][0] |= change
    store.objects[CHECKPOINT_INDEX] = json.dumps(index).encode()
    with pytest.raises(InputError, match="memory/checkpoint.json: not a checkpoint index"):
        opened(store, tmp_path).restore()


def test_index_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    store = Memory()
    store.objects[CHECKPOINT_INDEX] = b'{"format": 9, "checkpoints": []}'
    with pytest.raises(InputError, match="format 9, expected at most 2"):
        opened(store, tmp_path).restore()


def test_second_of_two_owners_of_a_run_gets_a_conflict_and_changes_nothing(tmp_path: Path) -> None:
    store = Memory()
    save(opened(store, tmp_path), 1)
    one, other = opened(store, tmp_path), opened(store, tmp_path)
    one.restore()
    other.restore()
    save(one, 2)
    before = store.objects[CHECKPOINT_INDEX]
    with pytest.raises(Conflict):
        save(other, 3)
    assert store.objects[CHECKPOINT_INDEX] == before
    assert {1, 2} <= set(files(store))


def test_best_checkpoint_is_kept_and_remembered_across_restarts(tmp_path: Path) -> None:
    store = Memory()
    for step, validation in ((1, 3.0), (2, 1.0), (3, None), (4, 2.0)):
        checkpoints = opened(store, tmp_path)
        checkpoints.restore()
        save(checkpoints, step, validation=validation)
    assert files(store) == [2, 3, 4]
    assert [one["validation"] for one in store.checkpoints()] == [2.0, None, 1.0]
    checkpoints = opened(store, tmp_path)
    checkpoints.restore()
    save(checkpoints, 5, validation=1.0)  # equal loss: the newer checkpoint is the best
    assert files(store) == [4, 5]


def test_checkpoint_of_each_second_epoch_is_kept_for_good(tmp_path: Path) -> None:
    store = Memory()
    checkpoints = opened(store, tmp_path, every_steps=4)
    for step in range(1, 13):  # two steps per epoch: each second step ends an epoch
        save(checkpoints, step, epoch=(step + 1) // 2, validation=-step)  # also within epochs
    assert files(store) == [4, 8, 11, 12]


def test_validation_loss_is_added_without_another_upload(tmp_path: Path) -> None:
    verbs: list[str] = []
    store = Memory(lambda verb, _: verbs.append(verb))
    checkpoints = opened(store, tmp_path)
    save(checkpoints, 1)
    save(checkpoints, 1, validation=0.5)
    save(checkpoints, 1)
    assert verbs.count("upload") == 1
    assert verbs.count("write") == 2
    assert restored(opened(store, tmp_path)).validation == 0.5


def test_damaged_checkpoint_does_not_count_among_the_newest(tmp_path: Path) -> None:
    store = Memory()
    checkpoints = opened(store, tmp_path)
    save(checkpoints, 1)
    save(checkpoints, 4)
    store.objects[next(name for name in store.objects if "00004" in name)] = b"damaged"
    again = opened(store, tmp_path)
    again.restore()
    save(again, 2)
    assert files(store) == [1, 2]


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["weights/a", "optimizer/velocity"])
def test_weight_that_is_not_finite_is_never_saved(tmp_path: Path, value: float, name: str) -> None:
    store = Memory()
    checkpoints = opened(store, tmp_path)
    save(checkpoints, 1)
    before = dict(store.objects)
    arrays = {"optimizer/iteration": np.array(3), name: np.array([1, value], np.float32)}
    with pytest.raises(InputError, match=f"{name} is not finite at step 3 of epoch 2: lower learning_rate"):
        checkpoints.commit(Snapshot(Position(step=3, epoch=2), arrays))
    assert store.objects == before


def test_file_of_a_killed_process_is_deleted_after_the_next_index(
    tmp_path: Path,
) -> None:
    store = Memory()
    save(opened(store, tmp_path), 1)
    left = "checkpoints/step-00000009-0badf00d.safetensors"
    store.objects[left] = b"left"
    again = opened(store, tmp_path)
    again.restore()
    assert left in store.objects  # may belong to another process that has not written checkpoint.json yet
    save(again, 2)
    assert files(store) == [1, 2]


def test_file_of_the_loser_of_two_trainers_is_deleted_at_the_next_start(tmp_path: Path) -> None:
    bucket = open_bucket(str(tmp_path / "run"))
    winner, loser = (Checkpoints(bucket, retention=Retention(2), scratch=tmp_path) for _ in range(2))
    save(winner, 1)
    loser.restore()
    save(winner, 2)
    with pytest.raises(Conflict):
        save(loser, 3)
    save(winner, 4)
    assert steps_of(bucket) == [2, 3, 4]  # the winner listed the folder before the loser's upload
    again = Checkpoints(bucket, retention=Retention(2), scratch=tmp_path)
    assert restored(again).step == 4
    again.sweep(is_complete=False)
    assert steps_of(bucket) == [2, 4]
    save(winner, 5)  # the sweep has not taken the run from its owner


def test_sweep_spares_the_file_of_a_process_that_has_not_written_its_index_yet(tmp_path: Path) -> None:
    bucket = open_bucket(str(tmp_path / "run"))
    first, second = (Checkpoints(bucket, retention=Retention(2), scratch=tmp_path) for _ in range(2))
    save(first, 1)
    second.restore()

    class SweptBucket(ReadOnlyBucket):
        def upload(self, path: Path, name: str) -> None:
            bucket.upload(path, name)
            second.sweep(is_complete=False)

        def write(self, name: str, data: bytes, *, if_version: Version | None = None) -> Version:
            return bucket.write(name, data, if_version=if_version)

    slow = Checkpoints(SweptBucket(bucket), retention=Retention(2), scratch=tmp_path)
    slow.restore()
    save(slow, 2)
    assert restored(second).step == 2
    assert steps_of(bucket) == [1, 2]


def test_complete_run_is_swept_of_files_that_came_later(tmp_path: Path) -> None:
    store = Memory()
    save(opened(store, tmp_path), 1, validation=1.0)
    store.upload(Path(__file__), "checkpoints/step-00000009-0badf00d.safetensors")
    again = opened(store, tmp_path)
    again.restore()
    again.sweep(is_complete=False)
    assert files(store) == [1, 9]
    again.sweep(is_complete=True)
    assert files(store) == [1]


def test_file_that_was_uploaded_while_the_index_was_written_is_not_deleted_by_the_writer(tmp_path: Path) -> None:
    store = Memory()
    save(opened(store, tmp_path), 1)
    again, new = opened(store, tmp_path), "checkpoints/step-00000009-0badf00d.safetensors"
    again.restore()

    def upload_elsewhere(verb: str, _: str) -> None:
        if verb == "write":
            store.objects[new] = b"of a process that read the new index"

    store.after = upload_elsewhere
    save(again, 2)
    assert new in store.objects


@pytest.mark.parametrize("verb", ["delete", "names"])
def test_checkpoint_that_could_not_be_deleted_is_deleted_after_the_next_save(tmp_path: Path, verb: str) -> None:
    def fail(what: str, _: str) -> None:
        if what == verb and failing:
            raise OSError("not now")

    store, failing = Memory(fail), [True]
    checkpoints = opened(store, tmp_path)
    for step in (1, 2, 3):
        save(checkpoints, step)
    assert {2, 3} <= set(files(store))
    failing.clear()
    save(checkpoints, 4)
    assert files(store) == [3, 4]


def test_full_disk_fails_the_save_and_not_the_next_one(small_disk: Callable[[int], Path]) -> None:
    store, disk = Memory(), small_disk(400)
    checkpoints = opened(store, disk)
    save(checkpoints, 1)
    with pytest.raises(OSError, match="saving.safetensors: .*No space left"):
        checkpoints.commit(Snapshot(Position(step=2, epoch=1), {"weights/a": np.zeros(10**6)}))
    assert files(store) == [1]
    save(checkpoints, 3)
    assert files(store) == [1, 3]
    assert list(disk.iterdir()) == []


def test_upload_that_was_carried_out_and_yet_failed_is_deleted(tmp_path: Path) -> None:
    store = Memory()
    checkpoints = opened(store, tmp_path)
    save(checkpoints, 1)
    store.after = no_answer
    with pytest.raises(OSError, match="no answer"):
        save(checkpoints, 2)
    store.after = lambda *_: None
    save(checkpoints, 3)
    assert files(store) == [1, 3]


def test_reader_gets_the_newest_checkpoint_if_others_are_deleted_meanwhile(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def train_on(verb: str, _: str) -> None:
        for step in later[:2] if verb == "fetch" else ():
            later.remove(step)
            save(writer, step)

    store, later = Memory(), [3, 4, 5, 6]
    writer = opened(store, tmp_path)
    save(writer, 1)
    save(writer, 2)
    store.before = train_on
    entry, arrays = read_newest(store, tmp_path)
    assert (entry.step, arrays["weights/a"].tolist()) == (6, [6, 6, 6])
    assert "damaged" not in caplog.text
