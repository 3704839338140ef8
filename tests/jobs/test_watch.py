"""The status of a real run, read from its folder and printed by jobs.watch."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobs import watch
from jobs.history.status import read_status
from jobs.terminal.status import poll_status, status_line
from preprocessing.errors import InputError
from preprocessing.storage.bucket import Bucket
from tests.support.runs import arguments, finish, start, wait_until
from trainer.runs.folder import open_run


@pytest.fixture(scope="module")
def run(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a run that is stopped once and then completes."""
    runs = tmp_path_factory.mktemp("runs")
    process = start(arguments(dataset, runs))
    wait_until((runs / "small/checkpoint.json").exists, process)
    process.terminate()
    finish(process, code=143)
    finish(start(arguments(dataset, runs)))
    return runs / "small"


@pytest.fixture
def unfinished(run: Path, tmp_path: Path) -> Path:
    """Copy the run without its last validation, as just before its end."""
    folder = tmp_path / "small"
    shutil.copytree(run, folder)
    pointer = json.loads((folder / "checkpoint.json").read_text())
    pointer["checkpoints"][0]["validation"] = None
    (folder / "checkpoint.json").write_text(json.dumps(pointer))
    return folder


def test_status_of_a_complete_run(run: Path) -> None:
    status = read_status(open_run(str(run)))
    assert (status.state, status.epoch, status.epochs, status.restarts) == ("complete", 3, 3, 1)
    assert status.step == status.steps
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert status.training[-1] == [row["bits_per_char"] for row in rows if row["kind"] == "train"][-1]
    assert status.validation == [row["bits_per_char"] for row in rows if row["kind"] == "validation"]
    assert status.chars_per_second is not None
    assert status.chars_per_second > 0
    assert status.samples is not None
    assert status.samples.epoch == 3


def test_status_of_a_run_without_a_save_is_begun(run: Path, tmp_path: Path) -> None:
    for name in ("config.yaml", "manifest.json"):
        shutil.copy(run / name, tmp_path / name)
    status = read_status(open_run(str(tmp_path)))
    assert (status.state, status.step, status.restarts) == ("begun", 0, 0)
    assert {status.chars_per_second, status.seconds_left, status.saved_seconds, status.samples} == {None}
    assert status_line(status).startswith("begun: step 0 of ")


def test_status_of_a_run_without_recent_saves_is_silent(unfinished: Path) -> None:
    opened = open_run(str(unfinished))
    rare = replace(opened.config.checkpoint, every_seconds=3600)
    assert read_status(replace(opened, config=replace(opened.config, checkpoint=rare))).state == "under way"
    often = replace(opened.config.checkpoint, every_seconds=1e-6)
    assert read_status(replace(opened, config=replace(opened.config, checkpoint=often))).state == "silent"


def test_pipe_gets_one_line_per_new_status_and_ends_with_the_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    watch.main([str(run)])
    status, sample = capsys.readouterr().out.splitlines()
    assert " complete: step " in status
    assert " sample, epoch 3, diversity " in sample


def test_json_has_one_object_per_new_status(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    watch.main([str(run), "--json"])
    [values] = map(json.loads, capsys.readouterr().out.splitlines())
    assert (values["state"], values["restarts"], values["samples"]["epoch"]) == ("complete", 1, 3)
    assert isinstance(values["training"], float)


def test_run_in_training_is_watched_to_its_end(dataset: Path, tmp_path: Path) -> None:
    process = start(arguments(dataset, tmp_path))
    wait_until((tmp_path / "small/checkpoint.json").exists, process)
    watching = subprocess.run(
        [sys.executable, "-m", "jobs.watch", str(tmp_path / "small"), "--every", "0.1"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    finish(process)
    lines = [line for line in watching.stdout.splitlines() if ": step " in line]
    assert " under way: " in lines[0]
    assert " complete: " in lines[-1]
    assert len(lines) == len(set(lines)) > 2


class Unreliable:
    """A bucket that can become unreachable."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket, self.unreachable = bucket, False

    def __getattr__(self, name: str) -> Any:
        if self.unreachable:
            raise ConnectionError("no route to the store")
        return getattr(self._bucket, name)


def test_unreachable_store_is_polled_again(unfinished: Path) -> None:
    run = open_run(str(unfinished))
    store: Any = Unreliable(run.bucket)
    polls = poll_status(replace(run, bucket=store), every_seconds=0.001)
    status, error = next(polls)
    assert (status.state, error) == ("under way", "")
    store.unreachable = True
    assert next(polls) == (status, "status of the last poll; retrying: no route to the store")
    store.unreachable = False
    assert next(polls)[1] == ""


@pytest.mark.parametrize("every", ["0", "-1", "nan", "inf", "1e12"])
def test_time_between_polls_has_limits(run: Path, every: str) -> None:
    limit = "greater than 0" if float(every) <= 0 else "less than or equal to 86400"
    with pytest.raises(InputError, match=f"--every: {every}: expected {limit}"):
        watch.main([str(run), "--every", every])


def test_damaged_metrics_are_named(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    shutil.copytree(run, folder)
    (folder / "metrics.jsonl").write_text("no row\n")
    with pytest.raises(InputError, match=f"{folder}/metrics.jsonl: line 1: not a row of metrics"):
        watch.main([str(folder)])
