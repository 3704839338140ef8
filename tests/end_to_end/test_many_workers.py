"""The training command as two worker processes on loopback: undisturbed, killed and stopped."""

import json
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs import train
from preprocessing.storage.urls import open_bucket
from tests.support.gcs_emulator import FaultyStore, emulator
from tests.support.job_process import JobProcess
from tests.support.runs import arguments, arrays, finish, outcome, rows, saved_step, start, wait_until

Processes = list[JobProcess]
STARTED: Processes = []


@pytest.fixture(scope="module", autouse=True)
def _ended() -> Iterator[None]:
    """Kill workers that a failed test left behind. Each would wait for its peer to return."""
    yield
    for process in STARTED:
        process.kill()
        process.wait()


def two_workers(dataset: Path, runs: Path, of_the_second: Mapping[str, Any] | None = None, **changes: Any) -> Processes:
    """Start two workers. `of_the_second` overrides configuration keys of the second worker."""
    with ExitStack() as held:  # both ports open at once, or the two workers may get the same port
        servers = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        hosts = [f"127.0.0.1:{server.getsockname()[1]}" for server in servers]
    processes = []
    for index in range(2):
        here = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
        here_too = {"dataset": dataset, "runs": runs} | changes | dict(of_the_second or {} if index else {})
        processes.append(start(arguments(**here_too), TF_CPP_MIN_LOG_LEVEL="3", TF_CONFIG=json.dumps(here)))
    STARTED.extend(processes)
    return processes


@pytest.fixture(scope="module")
def undisturbed(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("two")
    for process in two_workers(dataset, runs):
        finish(process)
    return runs / "small"


def test_two_workers_train_as_two_replicas_of_one_process_do(dataset: Path, tmp_path: Path, undisturbed: Path) -> None:
    train.main(arguments(dataset, tmp_path))
    for kind in ("train", "validation"):
        one, two = rows(tmp_path / "small", kind), rows(undisturbed, kind)
        assert [row["step"] for row in one] == [row["step"] for row in two]
        np.testing.assert_allclose([row["loss"] for row in one], [row["loss"] for row in two], rtol=1e-3)
    one_weights, two_weights = arrays(tmp_path / "small"), arrays(undisturbed)
    for name, array in one_weights.items():
        np.testing.assert_allclose(array, two_weights[name], atol=5e-3, err_msg=name)


def test_one_worker_alone_writes(undisturbed: Path) -> None:
    # A second writer of metrics or checkpoints would have raised Conflict.
    # Each process names its own events file, so a second file would show a second writer of events.
    assert len(list((undisturbed / "tensorboard").iterdir())) == 1


@pytest.mark.slow
def test_killed_or_stopped_both_leave_and_start_again_to_the_same_bits(
    dataset: Path, tmp_path: Path, undisturbed: Path
) -> None:
    run = tmp_path / "small"

    def disturbed(disturb: Callable[[Processes], None]) -> Processes:
        before = saved_step(run)
        processes = two_workers(dataset, tmp_path)
        wait_until(lambda: saved_step(run) > before, processes[0])
        disturb(processes)
        return processes

    for lost, survivor in ((1, 0), (0, 1)):
        processes = disturbed(lambda both, lost=lost: both[lost].kill())  # type: ignore[misc]
        errors = processes[survivor].output(timeout=60)
        processes[lost].wait()
        assert processes[survivor].returncode == 1, errors
        assert "a worker was lost, start all again: " in errors.splitlines()[-1]
        assert "Traceback" not in errors
    for process in disturbed(lambda both: both[1].send_signal(signal.SIGTERM)):
        finish(process, code=143)
    assert 0 < saved_step(run) < rows(undisturbed, "validation")[-1]["step"]
    for process in two_workers(dataset, tmp_path):
        finish(process)
    assert outcome(run) == outcome(undisturbed)


@pytest.mark.slow
def test_killed_with_state_under_way_both_start_again_to_the_same_bits(dataset: Path, tmp_path: Path) -> None:
    changes = {"carry_windows": 8, "optimizer": "muon", "checkpoint__every_seconds": 0.05}
    for process in two_workers(dataset, tmp_path / "undisturbed", None, **changes):
        finish(process)
    run = tmp_path / "runs/small"
    processes = two_workers(dataset, tmp_path / "runs", None, **changes)
    wait_until(lambda: saved_step(run) % 8 > 0, processes[0])
    for process in processes:
        process.kill()
        process.wait()
    for process in two_workers(dataset, tmp_path / "runs", None, **changes):
        finish(process)
    assert outcome(run) == outcome(tmp_path / "undisturbed/small")


def test_a_worker_of_a_complete_run_waits_for_none_of_the_others(dataset: Path, undisturbed: Path) -> None:
    # The case: the chief is killed after all other workers finished, so only the chief restarts.
    left_over = undisturbed / "checkpoints/step-00000001-12345678.safetensors"
    left_over.touch()
    chief, other = two_workers(dataset, undisturbed.parent)
    other.kill()
    assert f"{undisturbed}: complete" in finish(chief)
    assert not left_over.exists()


@pytest.mark.slow
def test_stopped_while_one_waits_for_its_data_all_save_once_it_comes(dataset: Path, tmp_path: Path) -> None:
    run = tmp_path / "small"
    largest = max(path.stat().st_size for path in dataset.glob("*.tfrecord"))
    never: dict[str, Any] = {"checkpoint__every_seconds": 9999, "grace_seconds": 60, "epochs": 100}
    # Too little space for a whole epoch, so each epoch downloads the shards again.
    never |= {"block_windows": 1, "staging__max_bytes": 2 * largest + 64 * 60}
    with emulator(bucket="reviews") as url, pytest.MonkeyPatch.context() as environment:
        environment.setenv("STORAGE_EMULATOR_HOST", url)
        bucket = open_bucket("gs://reviews/dataset")
        for path in filter(Path.is_file, dataset.iterdir()):
            bucket.upload(path, path.name)
        processes = two_workers(dataset, tmp_path, {"dataset": "gs://reviews/dataset"}, **never)
        try:
            wait_until(lambda: saved_step(run) > 0, processes[0])
            before = saved_step(run)
            time.sleep(1)  # time for a step of the next epoch, also on a slow machine
            FaultyStore.outage = 10**9
            time.sleep(5)  # time for about 200 steps, if windows were available
            for process in processes:
                process.send_signal(signal.SIGTERM)
            time.sleep(1)
        finally:
            FaultyStore.outage = 0
        for process in processes:
            finish(process, code=143)
        assert saved_step(run) > before


def test_a_worker_of_another_configuration_is_refused(dataset: Path, tmp_path: Path) -> None:
    chief, other = two_workers(dataset, tmp_path, {"learning_rate": 0.02, "checkpoint__keep": 3})
    assert "worker 1: its configuration, dataset or precision" in finish(other, code=2).splitlines()[-1]
    assert "a worker was lost, start all again: " in finish(chief, code=1).splitlines()[-1]
    assert not (tmp_path / "small/checkpoint.json").exists()
