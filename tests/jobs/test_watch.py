"""What a run's folder tells of it, and how that is shown."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from jobs import watch
from jobs.history.status import Status, status
from jobs.terminal.status import curve, plain, view
from preprocessing.errors import InputError
from preprocessing.storage.urls import Bucket
from tests.support.runs import arguments, finish, start, wait_until
from trainer.runs.folder import open_run
from trainer.runs.samples import Epoch, Sample

UNDER_WAY = Status(
    run="gs://reviews/runs/night",
    state="under way",
    step=1200,
    steps=4000,
    epoch=1.5,
    epochs=5,
    training=[3.0, 2.5, 2.25],
    validation=[2.2, 2.4],
    chars_per_second=7000.4,
    seconds_left=3725,
    saved_seconds=42,
    restarts=2,
    samples=Epoch(1, 800, (Sample(0.2, "the food", " was"), Sample(0.5, "the food", " is\nso"), Sample(0.8, "", "x"))),
)


@pytest.fixture(scope="module")
def run(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that was stopped once, and is complete."""
    runs = tmp_path_factory.mktemp("runs")
    process = start(arguments(dataset, runs))
    wait_until((runs / "small/checkpoint.json").exists, process)
    process.terminate()
    finish(process, code=143)
    finish(start(arguments(dataset, runs)))
    return runs / "small"


@pytest.fixture
def unfinished(run: Path, tmp_path: Path) -> Path:
    """The same without its last checkpoint's validation: as just before its end."""
    folder = tmp_path / "small"
    shutil.copytree(run, folder)
    pointer = json.loads((folder / "checkpoint.json").read_text())
    pointer["checkpoints"][0]["validation"] = None
    (folder / "checkpoint.json").write_text(json.dumps(pointer))
    return folder


def test_a_complete_run_is_told_from_its_folder(run: Path) -> None:
    found = status(open_run(str(run)))
    assert (found.state, found.epoch, found.epochs, found.restarts) == ("complete", 3, 3, 1)
    assert found.step == found.steps
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert found.training[-1] == [row["bits_per_char"] for row in rows if row["kind"] == "train"][-1]
    assert found.validation == [row["bits_per_char"] for row in rows if row["kind"] == "validation"]
    assert found.chars_per_second is not None
    assert found.chars_per_second > 0
    assert found.samples is not None
    assert found.samples.epoch == 3


def test_a_run_that_has_only_begun_has_nothing_to_tell_yet(run: Path, tmp_path: Path) -> None:
    for name in ("config.yaml", "manifest.json"):
        shutil.copy(run / name, tmp_path / name)
    found = status(open_run(str(tmp_path)))
    assert (found.state, found.step, found.restarts) == ("begun", 0, 0)
    assert (found.chars_per_second, found.seconds_left, found.saved_seconds, found.samples) == (None, None, None, None)
    assert plain(found).startswith("begun: step 0 of ")


def test_a_run_that_has_not_saved_for_long_is_silent(unfinished: Path) -> None:
    found = open_run(str(unfinished))
    rare = replace(found.config.checkpoint, every_seconds=3600)
    assert status(replace(found, config=replace(found.config, checkpoint=rare))).state == "under way"
    often = replace(found.config.checkpoint, every_seconds=1e-6)
    assert status(replace(found, config=replace(found.config, checkpoint=often))).state == "silent"


def test_the_line_has_all_that_is_known() -> None:
    assert plain(UNDER_WAY) == (
        "under way: step 1,200 of 4,000, epoch 1.50 of 5, training 2.250 bits per character, "
        "validation 2.400 bits per character, 2.200 at best, rate 7,000 characters/s, left 1 h 2 min, saved 42 s ago, "
        "restarts 2"
    )


def test_the_picture_has_it_too_with_the_curve_and_the_sample() -> None:
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(view(UNDER_WAY, trouble="the store is away"))
    text = console.export_text()
    for part in ("gs://reviews/runs/night", "under way", "1,200 of 4,000", "█▃▁", "the store is away"):
        assert part in text
    assert "sample, epoch 1, diversity 0.5" in text
    assert r"the food│ is\nso" in text


def test_a_curve_goes_from_its_largest_to_its_least_and_may_be_flat() -> None:
    assert curve([3, 2, 1]) == "█▅▁"
    assert curve([1, 1]) == "▁▁"
    assert len(curve([1.0] * 1000)) == 60


def test_watched_through_a_pipe_it_says_each_news_once_and_ends_with_the_run(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    watch.main([str(run)])
    stands, sample = capsys.readouterr().out.splitlines()
    assert " complete: step " in stands
    assert " sample, epoch 3, diversity " in sample


def test_as_json_it_is_an_object_for_each_news(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    watch.main([str(run), "--json"])
    [found] = map(json.loads, capsys.readouterr().out.splitlines())
    assert (found["state"], found["restarts"], found["samples"]["epoch"]) == ("complete", 1, 3)
    assert isinstance(found["training"], float)


def test_a_run_at_work_is_followed_to_its_end(dataset: Path, tmp_path: Path) -> None:
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
    """A bucket that can be away."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket, self.away = bucket, False

    def __getattr__(self, name: str) -> Any:
        if self.away:
            raise ConnectionError("no route to the store")
        return getattr(self._bucket, name)


def test_a_store_that_is_away_is_asked_again(unfinished: Path) -> None:
    run = open_run(str(unfinished))
    store: Any = Unreliable(run.bucket)
    looks = watch.looked(replace(run, bucket=store), every=0.001)
    found, trouble = next(looks)
    assert (found.state, trouble) == ("under way", "")
    store.away = True
    assert next(looks) == (found, "as of the last look, asked again: no route to the store")
    store.away = False
    assert next(looks)[1] == ""


def test_that_a_store_is_away_is_said_once_and_the_run_again_when_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    looks = [(UNDER_WAY, ""), (UNDER_WAY, ""), (UNDER_WAY, "away"), (UNDER_WAY, "away"), (UNDER_WAY, "")]
    assert list(watch.new(iter(looks))) == [UNDER_WAY, UNDER_WAY]
    assert caplog.messages == ["away"]


@pytest.mark.parametrize("every", ["0", "-1", "nan", "inf", "1e12"])
def test_looks_are_some_time_apart(run: Path, every: str) -> None:
    with pytest.raises(
        InputError, match=f"--every {re.escape(str(float(every)))}: expected more than 0 and at most 86400 seconds"
    ):
        watch.main([str(run), "--every", every])


def test_metrics_that_are_damaged_are_named(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    shutil.copytree(run, folder)
    (folder / "metrics.jsonl").write_text("no row\n")
    with pytest.raises(InputError, match=f"{folder}/metrics.jsonl: line 1 is no row of metrics"):
        watch.main([str(folder)])
