import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from preprocessing.errors import Conflict, InputError
from preprocessing.storage.urls import open_bucket
from tests.support.memory import Memory
from trainer.runs.metrics import Metrics
from trainer.runs.start_records import StartRecorder


def test_rows_are_kept_up_to_the_step_that_a_run_continues_from(tmp_path: Path) -> None:
    bucket = open_bucket(str(tmp_path / "run"))
    first = Metrics(bucket, step=0, scratch=tmp_path / "a")
    for step in (10, 20, 30):
        first.train(step=step, epoch=1, loss=1.0, learning_rate=0.1, chars_per_second=9.0)
    first.validation(step=30, epoch=1, loss=2 * math.log(2), chars=5)
    first.write(first.text())

    again = Metrics(bucket, step=20, scratch=tmp_path / "b")
    assert [row.step for row in again.rows] == [10, 20]
    again.write(again.text())
    assert len(bucket.read("metrics.jsonl").splitlines()) == 2
    assert len(bucket.names("tensorboard/")) == 2  # each attempt's events stay


def test_second_of_two_processes_that_write_rows_changes_nothing(tmp_path: Path) -> None:
    bucket = open_bucket(str(tmp_path / "run"))
    one, other = (Metrics(bucket, step=0, scratch=tmp_path / name) for name in ("a", "b"))
    one.train(step=1, epoch=1, loss=1.0, learning_rate=0.1, chars_per_second=9.0)
    one.write(one.text())
    names, rows = bucket.names(), bucket.read("metrics.jsonl")
    with pytest.raises(Conflict):
        other.write(other.text())
    assert (bucket.names(), bucket.read("metrics.jsonl")) == (names, rows)


def test_rows_do_not_depend_on_the_clock(tmp_path: Path) -> None:
    bucket = open_bucket(str(tmp_path / "run"))
    metrics = Metrics(bucket, step=0, scratch=tmp_path)
    metrics.train(step=1, epoch=1, loss=math.log(2), learning_rate=0.1, chars_per_second=9.0)
    metrics.validation(step=1, epoch=1, loss=2 * math.log(2), chars=5)
    metrics.write(metrics.text())
    assert [json.loads(line) for line in bucket.read("metrics.jsonl").splitlines()] == [
        {"kind": "train", "step": 1, "epoch": 1, "loss": math.log(2), "bits_per_char": 1.0, "learning_rate": 0.1},
        {"kind": "validation", "step": 1, "epoch": 1, "loss": 2 * math.log(2), "bits_per_char": 2.0, "chars": 5},
    ]


def test_line_without_row_is_named(tmp_path: Path) -> None:
    bucket = open_bucket(str(tmp_path / "run"))
    bucket.write("metrics.jsonl", b'{"kind": "train"}\n')
    with pytest.raises(InputError, match=f"{bucket.url}/metrics.jsonl: line 1: not a row of metrics"):
        Metrics(bucket, step=0, scratch=tmp_path)


def test_full_disk_loses_no_row(tmp_path: Path, small_disk: Callable[[int], Path]) -> None:
    disk = small_disk(8)
    bucket = open_bucket(str(tmp_path / "run"))
    metrics = Metrics(bucket, step=0, scratch=disk)
    for step in range(1, 300):
        metrics.train(step=step, epoch=1, loss=1.0, learning_rate=0.1, chars_per_second=9.0)
    metrics.write(metrics.text())
    assert len(bucket.read("metrics.jsonl").splitlines()) == 299
    assert not metrics.due


def test_validation_row_of_a_killed_process_is_replaced(tmp_path: Path) -> None:
    bucket = open_bucket(str(tmp_path / "run"))
    for name in ("a", "b"):
        metrics = Metrics(bucket, step=1, scratch=tmp_path / name)
        metrics.validation(step=1, epoch=1, loss=1.0, chars=5)
        metrics.write(metrics.text())
    assert len(bucket.read("metrics.jsonl").splitlines()) == 1


def test_tensorboard_files_that_grew_are_copied_again(tmp_path: Path) -> None:
    names: list[str] = []
    store = Memory(lambda verb, name: names.append(name) if verb == "write" else None)
    recorder = StartRecorder(store, step=0, machine={})
    metrics = Metrics(store, step=0, scratch=tmp_path, recorder=recorder)
    trace = metrics.folder / "plugins/profile/1/host.xplane.pb"
    trace.parent.mkdir(parents=True)
    trace.write_bytes(b"1")
    metrics.write(metrics.text())
    record = f"starts/{recorder.name}.json"
    [events] = [name for name in names if "tfevents" in name]
    assert events.startswith("tensorboard/events.out.tfevents.")
    assert events.endswith(f".{recorder.name}")
    assert sorted(names) == ["metrics.jsonl", record, events, "tensorboard/plugins/profile/1/host.xplane.pb"]
    names.clear()
    trace.write_bytes(b"12")
    metrics.write(metrics.text())
    assert names == ["metrics.jsonl", record, "tensorboard/plugins/profile/1/host.xplane.pb"]
    assert store.objects["tensorboard/plugins/profile/1/host.xplane.pb"] == b"12"
