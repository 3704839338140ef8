"""Elastic runs: the windows and their order are the same on any number of replicas."""

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from tests.support.elastic import BATCH_WINDOWS, CARRY_WINDOWS, COUNTS, EPOCHS, REPLICAS, build_order


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Train on 1, 2, 4 and 8 replicas, and in parts on 4, then 2, then 1. Return the recorded windows and losses."""
    folder = tmp_path_factory.mktemp("elastic")
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.elastic", str(folder)],
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(params=CARRY_WINDOWS)
def carry(request: pytest.FixtureRequest) -> int:
    """Return the number of windows in a segment."""
    windows: int = request.param
    return windows


@pytest.fixture
def runs(outputs: dict[str, Any], carry: int) -> dict[str, Any]:
    found: dict[str, Any] = outputs[str(carry)]
    return found


def expected(carry: int) -> dict[str, list[int]]:
    """Return step -> windows of the global batch in order, with -1 for padding. Steps count from 1."""
    order = build_order(carry)
    starts = np.cumsum([0, *COUNTS])
    batches = {}
    for step in range(EPOCHS * order.steps_per_epoch):
        shards, rows, present = order.batch(*divmod(step, order.steps_per_epoch))
        numbers = np.where(present, starts[shards] + rows, -1).tolist()
        batches[str(step + 1)] = numbers + [-1] * (BATCH_WINDOWS - len(numbers))
    return batches


def test_replicas_get_the_same_windows_in_the_same_order_whatever_their_number(
    runs: dict[str, Any], carry: int
) -> None:
    assert [run["replicas"] for run in runs["undisturbed"]] == list(REPLICAS)
    for run in runs["undisturbed"]:
        assert run["windows"] == expected(carry)


def test_losses_agree_whatever_the_number_of_replicas(runs: dict[str, Any], carry: int) -> None:
    one, *others = ([run["losses"][step] for step in expected(carry)] for run in runs["undisturbed"])
    for other in others:
        np.testing.assert_allclose(other, one, rtol=1e-5)
    assert one[-1] < one[0]


def test_interrupted_run_on_changing_replicas_trains_on_each_window_in_order(runs: dict[str, Any], carry: int) -> None:
    moved, per_epoch = runs["moved"], build_order(carry).steps_per_epoch
    assert [(part["replicas"], part["start"]) for part in moved] == [(4, 0), (2, 5), (2, 5), (1, 11), (1, per_epoch)]
    # A part counts up to the start of the next part. Its later steps were lost, and the next part repeated them.
    ends = [part["start"] for part in moved[1:]] + [EPOCHS * per_epoch]
    counted = [
        (step, part["windows"][str(step)])
        for part, end in zip(moved, ends, strict=True)
        for step in range(part["start"] + 1, end + 1)
    ]
    assert counted == [(int(step), windows) for step, windows in expected(carry).items()]
    for part in moved:
        assert part["windows"].items() <= expected(carry).items()
    for epoch in range(EPOCHS):
        windows = [number for step, batch in counted if (step - 1) // per_epoch == epoch for number in batch]
        assert sorted(number for number in windows if number >= 0) == list(range(sum(COUNTS)))


def test_run_on_changing_replicas_has_the_same_losses(runs: dict[str, Any]) -> None:
    one = runs["undisturbed"][0]["losses"]
    for part in runs["moved"]:
        np.testing.assert_allclose(list(part["losses"].values()), [one[step] for step in part["losses"]], rtol=1e-5)
