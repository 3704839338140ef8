"""Runs in TensorBoard, read with its own server and its own event reader."""

import json
import re
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from jobs import train
from tests.support.runs import arguments, outcome, rows

SHORT: dict[str, Any] = {"max_chars": 10 * 64 * 16, "log_every_steps": 3}


@pytest.fixture(scope="module")
def runs(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train two runs of ten steps. The second has a different learning rate and records a profile."""
    folder = tmp_path_factory.mktemp("runs")
    train.main(arguments(dataset, folder, "one", **SHORT))
    traced: dict[str, Any] = {"profile__first": 2, "profile__steps": 3}
    train.main(arguments(dataset, folder, "two", **SHORT, learning_rate=0.02, **traced))
    return folder


@pytest.fixture(scope="module")
def server(runs: Path) -> Iterator[str]:
    """Start TensorBoard on the folder of both runs, and yield its URL."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(runs), "--port", "0", "--host", "localhost"]
    command += ["--load_fast", "false", "--reload_interval", "1"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    found = None
    for line in process.stderr:
        found = re.search(r"http://localhost:\d+", line)
        if found:
            break
    assert found, "TensorBoard did not start"
    yield found[0] + "/data"
    process.terminate()
    process.communicate()


def asked(url: str, **query: str) -> Any:
    with urllib.request.urlopen(f"{url}?{urllib.parse.urlencode(query)}", timeout=60) as answer:
        return json.load(answer)


def until(url: str, key: str, **query: str) -> Any:
    """Poll a URL until the JSON answer has `key` for both runs, and return the answer."""
    for _ in range(300):
        found = asked(url, **query)
        if {"one/tensorboard", "two/tensorboard"} <= set(found) and all(key in str(found[run]) for run in found):
            return found
    raise AssertionError(found)


def test_scalars_and_samples_are_served(server: str, runs: Path) -> None:
    until(f"{server}/plugin/scalars/tags", "validation/bits_per_char")
    points = asked(f"{server}/plugin/scalars/scalars", run="one/tensorboard", tag="train/bits_per_char")
    assert [(int(step), round(value, 4)) for _, step, value in points] == [
        (row["step"], round(row["bits_per_char"], 4)) for row in rows(runs / "one", "train")
    ]
    until(f"{server}/plugin/text/tags", "samples/diversity 0.8")
    [text] = asked(f"{server}/plugin/text/text", run="two/tensorboard", tag="samples/diversity 0.2")
    [epoch] = [json.loads(path.read_text()) for path in (runs / "two/samples").glob("*.json")]
    assert text["step"] == epoch["step"]
    for part in (epoch["samples"][0]["prompt"], epoch["samples"][0]["text"]):
        first = part.splitlines()[0].strip()
        assert first.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in text["text"]


def test_both_runs_are_in_the_table_of_hyperparameters_with_their_loss_on_held_out_text(
    server: str, runs: Path
) -> None:
    until(f"{server}/plugin/scalars/tags", "validation/bits_per_char")
    post = urllib.request.Request(
        f"{server}/plugin/hparams/session_groups",
        json.dumps(
            {
                "experimentName": "",
                "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"],
                "colParams": [
                    {"metric": {"group": "", "tag": "validation/bits_per_char"}},
                    {"hparam": "learning_rate"},
                    {"hparam": "model.lstm_units"},
                ],
                "startIndex": 0,
                "sliceSize": 10,
            }
        ).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(post, timeout=60) as answer:
        groups = json.load(answer)["sessionGroups"]
    found = {group["sessions"][0]["name"]: (group["hparams"], group["metricValues"][0]["value"]) for group in groups}
    assert set(found) == {"one/tensorboard", "two/tensorboard"}
    for name, rate in (("one", 0.01), ("two", 0.02)):
        values, bits = found[f"{name}/tensorboard"]
        assert values["learning_rate"] == rate
        assert values["model.lstm_units"] == "[12, 8]"
        assert not {"runs", "profile.steps", "checkpoint.keep"} & set(values)
        assert bits == pytest.approx(rows(runs / name, "validation")[-1]["bits_per_char"], abs=1e-5)


def test_a_profile_is_there_where_it_was_asked_for_and_changes_nothing(
    runs: Path, dataset: Path, tmp_path: Path
) -> None:
    [trace] = (runs / "two/tensorboard/plugins/profile").rglob("*.xplane.pb")
    assert b"train_step" in trace.read_bytes()
    assert not (runs / "one/tensorboard/plugins").exists()
    train.main(arguments(dataset, tmp_path, "two", **SHORT, learning_rate=0.02))
    assert outcome(tmp_path / "two") == outcome(runs / "two")


def test_a_profile_longer_than_the_run_ends_with_it(dataset: Path, tmp_path: Path) -> None:
    train.main(arguments(dataset, tmp_path, **SHORT, profile__first=4, profile__steps=1000))
    assert list((tmp_path / "small/tensorboard/plugins/profile").rglob("*.xplane.pb"))


def test_each_start_s_events_are_named_for_it(runs: Path) -> None:
    [start] = (runs / "one/starts").iterdir()
    [events] = (runs / "one/tensorboard").iterdir()
    assert events.name.endswith(f".{start.stem}")
    accumulated = EventAccumulator(str(runs / "one/tensorboard"))
    accumulated.Reload()
    assert "samples/diversity 0.2" in accumulated.Tags()["tensors"]
