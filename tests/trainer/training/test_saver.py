"""The saver: it writes pending files in a fixed order, and keeps them pending if a write fails."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from preprocessing.errors import Conflict, InputError
from tests.support.memory import Memory
from trainer.runs.checkpoint_index import CHECKPOINT_INDEX, Position, Retention
from trainer.runs.checkpoints import Checkpoints, Snapshot
from trainer.runs.metrics import Metrics
from trainer.training.saver import Saver


def snapshot(step: int, value: float = 1.0) -> Snapshot:
    return Snapshot(Position(step=step, epoch=1), {"weights/a": np.full(2, value)})


def validated(step: int, loss: float | None) -> Snapshot:
    found = snapshot(step)
    return replace(found, position=replace(found.position, validation=loss))


class Saving:
    """A saver and its metrics on a store."""

    def __init__(self, store: Memory, scratch: Path, *, give_up_seconds: float = 1000) -> None:
        self.metrics = Metrics(store, step=0, scratch=scratch)
        checkpoints = Checkpoints(store, retention=Retention(2), scratch=scratch)
        self.saver = Saver(store, checkpoints, self.metrics, give_up_seconds=give_up_seconds)

    def row(self, step: int) -> None:
        self.metrics.train(step=step, epoch=1, loss=1.0, learning_rate=0.1, chars_per_second=1.0)


def failing(times: int, verb: str, name: str) -> Callable[[str, str], None]:
    """Return a hook for a store. The first `times` calls of `verb` on names that start with `name` raise OSError."""
    left = [times]

    def before(what: str, where: str) -> None:
        if what == verb and where.startswith(name) and left[0]:
            left[0] -= 1
            raise OSError(f"{what} {where}")

    return before


def test_save_writes_samples_then_rows_then_checkpoint_then_index(tmp_path: Path) -> None:
    names: list[str] = []
    store = Memory(lambda verb, name: names.append(name.split("/")[0]) if verb in ("write", "upload") else None)
    run = Saving(store, tmp_path)
    run.row(1)
    run.saver.add_samples({"samples/one": b"text"})
    run.saver.save(snapshot(1))
    run.saver.wait()
    assert names == ["samples", "metrics.jsonl", "tensorboard", "checkpoints", CHECKPOINT_INDEX]
    assert run.saver.has_saved(1)


@pytest.mark.parametrize(
    ("verb", "name"),
    [
        ("write", "samples/"),
        ("write", "metrics.jsonl"),
        ("write", "tensorboard/"),
        ("upload", "checkpoints/"),
        ("write", CHECKPOINT_INDEX),
    ],
)
def test_next_save_writes_what_a_failed_save_did_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, verb: str, name: str
) -> None:
    store = Memory(failing(2, verb, name))
    run = Saving(store, tmp_path)
    for step in (1, 2, 3):
        run.row(step)
        run.saver.add_samples({f"samples/{step}": b"text"})
        run.saver.save(snapshot(step))
        run.saver.wait()
        assert run.saver.has_saved(step) == (step == 3)
    assert caplog.text.count("not saved, the last checkpoint is of step 0: ") == 2
    assert [json.loads(row)["step"] for row in store.objects["metrics.jsonl"].splitlines()] == [1, 2, 3]
    assert {"samples/1", "samples/2", "samples/3"} <= store.objects.keys()
    assert [one["step"] for one in store.checkpoints()] == [3]
    assert len([name for name in store.objects if name.startswith("checkpoints/")]) == 1


def test_last_save_is_retried_until_it_succeeds(tmp_path: Path) -> None:
    store = Memory(failing(1, "upload", ""))
    run = Saving(store, tmp_path)
    run.saver.finish(snapshot(7))
    assert run.saver.has_saved(7)
    before = dict(store.objects)
    run.saver.finish(snapshot(7))
    assert store.objects == before


def test_saves_that_fail_for_too_long_end_the_run_and_keep_the_last_checkpoint(tmp_path: Path) -> None:
    store = Memory()
    run = Saving(store, tmp_path, give_up_seconds=1e-9)
    run.saver.save(snapshot(1))
    while run.saver.busy:
        pass
    run.saver.check()
    store.before = failing(9, "upload", "")
    with pytest.raises(OSError, match="memory: nothing could be saved for 1e-09 s; the last checkpoint is of step 1"):
        run.saver.finish(snapshot(2))
    assert [one["step"] for one in store.checkpoints()] == [1]


def test_error_that_a_retry_cannot_help_is_raised_at_the_next_check(tmp_path: Path) -> None:
    store = Memory()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    one, other = (Saving(store, tmp_path / name) for name in ("a", "b"))
    for run in (one, other):
        run.saver.save(snapshot(1))
        while run.saver.busy:
            pass
    one.saver.check()
    with pytest.raises(Conflict):
        other.saver.check()
    one.saver.save(snapshot(2, np.nan))
    with pytest.raises(InputError, match="weights/a is not finite at step 2"):
        one.saver.wait()
    assert [one["step"] for one in store.checkpoints()] == [1]


def test_rows_added_during_a_save_belong_to_the_next_save(tmp_path: Path) -> None:
    store = Memory()
    run = Saving(store, tmp_path)

    def add(verb: str, name: str) -> None:
        if (verb, name) == ("write", "metrics.jsonl"):
            store.before = lambda *_: None
            run.row(2)

    store.before = add
    run.row(1)
    run.saver.save(snapshot(1))
    run.saver.wait()
    assert len(store.objects["metrics.jsonl"].splitlines()) == 1
    assert not run.saver.has_saved(1)
    run.saver.finish(snapshot(1))
    assert len(store.objects["metrics.jsonl"].splitlines()) == 2


def test_save_that_hangs_ends_the_run(tmp_path: Path) -> None:
    release = threading.Event()
    store = Memory(lambda verb, _: verb == "upload" and not release.wait(60))  # type: ignore[arg-type]
    run = Saving(store, tmp_path, give_up_seconds=1e-9)
    with pytest.raises(OSError, match="nothing could be saved for 1e-09 s; the last checkpoint is of step 0"):
        run.saver.finish(snapshot(1))
    release.set()


def test_failure_long_after_a_successful_save_counts_as_the_first(tmp_path: Path) -> None:
    store = Memory()
    run = Saving(store, tmp_path)
    run.saver.finish(snapshot(1))
    store.before = failing(1, "upload", "")
    run.saver.save(snapshot(2))
    run.saver.wait()
    assert not run.saver.has_saved(2)
    run.saver.finish(snapshot(2))
    assert run.saver.has_saved(2)


def test_validation_loss_that_did_not_reach_the_index_is_still_due(tmp_path: Path) -> None:
    store = Memory()
    run = Saving(store, tmp_path)
    run.saver.finish(snapshot(1))
    store.before = failing(1, "write", CHECKPOINT_INDEX)
    run.saver.save(validated(1, 0.5))
    run.saver.wait()
    assert not run.saver.has_saved(1)
    run.saver.finish(validated(1, 0.5))
    assert store.checkpoints()[0]["validation"] == 0.5


@pytest.mark.parametrize(("verb", "name"), [("write", "metrics.jsonl"), ("write", CHECKPOINT_INDEX)])
def test_unsaved_validation_loss_still_decides_which_checkpoint_is_best(tmp_path: Path, verb: str, name: str) -> None:
    store = Memory()
    run = Saving(store, tmp_path)
    run.saver.finish(snapshot(1))
    store.before = failing(1, verb, name)
    run.saver.save(validated(1, 0.5))
    for step in (2, 3, 4):
        run.saver.save(snapshot(step))
        run.saver.wait()
    found = [(one["step"], one["validation"]) for one in store.checkpoints()]
    assert found == [(4, None), (3, None), (1, 0.5)]


def test_after_save_is_called_after_each_successful_save_and_not_waited_for(tmp_path: Path) -> None:
    told: list[bool] = []
    go_on, through = threading.Event(), threading.Event()

    def saved(epoch_ended: bool) -> None:
        told.append(epoch_ended)
        if epoch_ended:
            go_on.wait(60)
            through.set()

    store = Memory(failing(1, "write", "metrics.jsonl"))
    run = Saving(store, tmp_path)
    checkpoints = Checkpoints(store, retention=Retention(2), scratch=tmp_path)
    saver = Saver(store, checkpoints, run.metrics, give_up_seconds=1000, after_save=saved)
    for step, validation in ((1, None), (2, None), (3, 0.5), (4, None)):
        run.row(step)
        saver.save(validated(step, validation))
        saver.wait()
    assert saver.has_saved(4)
    assert not through.is_set()
    go_on.set()
    assert through.wait(60)
    assert told == [False, True, False]
