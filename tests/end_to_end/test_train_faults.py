"""The world's faults while the real command trains: a damaged checkpoint, a full disk, a store that is out."""

import logging
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs import train
from preprocessing.errors import InputError
from preprocessing.storage import retry
from preprocessing.storage.urls import open_bucket
from tests.support.gcs_emulator import Fault, FaultyStore
from tests.support.runs import arguments, finish, newest, outcome, saved_step, start, wait_until

SHORT: dict[str, Any] = {"epochs": 2, "checkpoint__every_seconds": 0.1}
STEPS_10: dict[str, Any] = {"max_chars": 10 * 64 * 16, "checkpoint__every_seconds": 0.0001}


@pytest.fixture(scope="module")
def undisturbed(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    runs = tmp_path_factory.mktemp("undisturbed")
    finish(start(arguments(dataset, runs, **SHORT)))
    return outcome(runs / "small")


def test_a_damaged_newest_checkpoint_is_made_good_by_the_one_before_and_without_any_the_run_stops(
    dataset: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = tmp_path / "small"
    train.main(arguments(dataset, tmp_path, **STEPS_10))
    before = outcome(run)
    file = run / newest(run)["file"]
    data = file.read_bytes()
    for damaged in (data[:-1], data[:-1] + bytes([data[-1] ^ 1]), None):
        file.unlink()
        if damaged:
            file.write_bytes(damaged)
        caplog.clear()
        with caplog.at_level(logging.ERROR):
            train.main(arguments(dataset, tmp_path, **STEPS_10))
        assert "checkpoint of step 10 is damaged, trying the one before" in caplog.text
        assert outcome(run) == before
    for path in (run / "checkpoints").iterdir():
        path.write_bytes(b"damaged")
    with pytest.raises(InputError, match="none of the 2 checkpoints named in checkpoint.json is whole; put one back"):
        train.main(arguments(dataset, tmp_path, **STEPS_10))


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_a_step_too_large_for_the_numbers_stops_the_run_and_keeps_finite_weights(
    dataset: Path, tmp_path: Path, precision: str
) -> None:
    import numpy as np
    import safetensors.numpy

    changes: dict[str, Any] = {"learning_rate": 3e38, "schedule": "constant", "warmup_steps": 0, "precision": precision}
    with pytest.raises(InputError, match="at step .* of epoch 1: lower learning_rate"):
        train.main(arguments(dataset, tmp_path, **changes, **STEPS_10))
    for path in (tmp_path / "small/checkpoints").glob("*.safetensors"):
        for array in safetensors.numpy.load_file(path).values():
            assert np.isfinite(array).all()


def test_a_full_disk_is_waited_out_and_the_run_ends_with_the_same_bits(
    dataset: Path, tmp_path: Path, undisturbed: dict[str, str], small_disk: Callable[[int], Path]
) -> None:
    disk, log = small_disk(400), tmp_path / "log"
    process = start(arguments(dataset, tmp_path, **SHORT), log=log, TMPDIR=str(disk))
    wait_until(lambda: saved_step(tmp_path / "small") > 0, process)
    filler = (disk / "filler").open("wb", buffering=0)
    size = 4096
    while size:
        try:
            filler.write(b"x" * size)
        except OSError:
            size //= 2
    wait_until(lambda: "not saved, the last checkpoint is of step" in log.read_text(), process)
    filler.close()
    (disk / "filler").unlink()
    assert process.wait(timeout=120) == 0, log.read_text()
    assert outcome(tmp_path / "small") == undisturbed


def test_stopped_while_the_store_is_out_it_ends_with_1_in_its_grace_and_loses_nothing_that_stood(
    dataset: Path, tmp_path: Path, undisturbed: dict[str, str], store: str
) -> None:
    log = tmp_path / "log"
    process = start(arguments(dataset, store, **SHORT, grace_seconds=1), log=log)
    wait_until(lambda: "checkpoint of step" in log.read_text(), process)
    FaultyStore.outage = 10**9
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 1
    assert "stopped before all was saved (grace_seconds=1)" in log.read_text().splitlines()[-1]
    FaultyStore.outage = 0
    process = start(arguments(dataset, store, **SHORT), log=log)
    assert process.wait(timeout=120) == 0, log.read_text()
    assert "continuing after step" in log.read_text()
    assert outcome(f"{store}/small") == undisturbed


@pytest.mark.slow  # asks a dead store for minutes
def test_a_store_that_is_out_for_more_than_two_minutes_ends_no_run(
    dataset: Path, tmp_path: Path, undisturbed: dict[str, str], store: str
) -> None:
    log = tmp_path / "log"
    process = start(arguments(dataset, store, **SHORT), log=log)
    wait_until(lambda: "checkpoint of step" in log.read_text(), process)
    FaultyStore.outage = 10**9
    while "not saved, the last checkpoint is of step" not in log.read_text() and process.poll() is None:
        time.sleep(0.1)
    FaultyStore.outage = 0
    assert process.wait(timeout=300) == 0, log.read_text()
    assert outcome(f"{store}/small") == undisturbed


@pytest.mark.slow  # asks a dead store for minutes
def test_a_store_that_stays_down_ends_the_run_with_1_and_the_last_checkpoint_stands(
    dataset: Path, tmp_path: Path, store: str
) -> None:
    log = tmp_path / "log"
    process = start(arguments(dataset, store, **SHORT, checkpoint__give_up_seconds=5), log=log)
    wait_until(lambda: "checkpoint of step" in log.read_text(), process)
    FaultyStore.outage = 10**9
    assert process.wait(timeout=300) == 1
    assert "stopped by a fault of the machine or the network: gs://" in log.read_text().splitlines()[-1]
    assert "nothing could be saved for 5 s; the last checkpoint is of step" in log.read_text().splitlines()[-1]
    FaultyStore.outage = 0
    saved = newest(f"{store}/small")
    assert open_bucket(f"{store}/small").stat(saved["file"]).bytes == saved["bytes"]


@pytest.mark.parametrize("begun", [False, True])
def test_a_store_that_is_away_while_a_run_reads_is_waited_for(
    dataset: Path, tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch, *, begun: bool
) -> None:
    monkeypatch.setattr(retry, "PAUSE_SECONDS", 0.0)
    for path in dataset.iterdir():
        if path.is_file():
            open_bucket(store).upload(path, f"dataset/{path.name}")
    expected, runs = str(tmp_path / "expected"), f"{store}/runs"
    for where in (expected, runs) if begun else ():
        train.main(arguments(dataset, where, **{**STEPS_10, "max_chars": 5 * 64 * 16}))
        folder = open_bucket(f"{where}/small")
        config = folder.read("config.yaml").decode()
        folder.write("config.yaml", config.replace("max_chars: 5120", "max_chars: 10240").encode())
    train.main(arguments(dataset, expected, **STEPS_10))
    # The client does not repeat a request that gets status 400.
    names = ["dataset%2Fmanifest.json", "dataset%2Ftrain-", "checkpoint.json", "/o[?]"]
    names += ["checkpoints%2Fstep-", "config.yaml", "metrics.jsonl"] if begun else []
    faults = [Fault(f"^GET .*{name}", 400, 2) for name in names]
    FaultyStore.faults.extend(faults)
    train.main(arguments(f"{store}/dataset", runs, **STEPS_10))
    assert {fault.pattern: fault.count for fault in faults} == {fault.pattern: 0 for fault in faults}
    assert outcome(f"{runs}/small") == outcome(f"{expected}/small")


def test_saves_that_the_store_refuses_are_repeated_and_the_bits_are_the_same(
    dataset: Path, tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "PAUSE_SECONDS", 0.0)
    train.main(arguments(dataset, tmp_path, **STEPS_10))
    # The first uploads are the run's configuration and its manifest. The client repeats none of these statuses.
    refusals = [Fault("^(POST|PUT) /upload/", status, skip=2) for status in (308, 400, 404, 409, 410, 411)]
    FaultyStore.faults.extend(refusals)
    train.main(arguments(dataset, store, **STEPS_10))
    assert [fault.count for fault in refusals] == [0] * len(refusals)
    assert outcome(f"{store}/small") == outcome(tmp_path / "small")


def test_fewer_gpus_than_it_needs_end_a_run_for_a_retry_on_another_machine(dataset: Path, tmp_path: Path) -> None:
    errors = finish(start(arguments(dataset, tmp_path, min_gpus=8)), code=1)
    assert "min_gpus=8: TensorFlow finds 0 GPU(s)" in errors.splitlines()[-1]


def test_start_of_a_complete_run_deletes_what_a_losing_trainer_left(
    dataset: Path, small_run: Path, tmp_path: Path
) -> None:
    shutil.copytree(small_run, tmp_path / "small")
    before = outcome(tmp_path / "small")
    left = tmp_path / "small" / "checkpoints" / "step-00000009-0badf00d.safetensors"
    left.write_bytes(b"late")
    train.main(arguments(dataset, tmp_path, epochs=1, precision="float32"))
    assert not left.exists()
    assert outcome(tmp_path / "small") == before
