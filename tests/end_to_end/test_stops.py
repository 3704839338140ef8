"""SIGTERM while the store stalls: each command ends in a pod's grace, and removes or names what it leaves."""

import signal
import time
from pathlib import Path

import pytest

from preprocessing.storage.urls import open_bucket
from tests.support.gcs_emulator import Fault, FaultyStore
from tests.support.inputs import SMALL_WINDOWS, reviews, sets, small_dataset
from tests.support.runs import start, wait_until

GRACE_SECONDS = 25  # of the 30 that a pod has
SHARD, SOURCE = "GET /download/.*tfrecord", "GET /download/.*reviews.jsonl"


def stop(job: str, arguments: list[str], fault: Fault, scratch: Path) -> str:
    """Start a job, send SIGTERM once the fault has begun, and return the log. The job must end in its grace."""
    scratch.mkdir()
    FaultyStore.faults.append(fault)
    before = fault.count
    process = start(arguments, job=job, TMPDIR=str(scratch))
    wait_until(lambda: fault.count < before, process)
    time.sleep(0.5)  # the answer's first half is on its way
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    log = process.output(timeout=60)
    assert time.monotonic() - began < GRACE_SECONDS
    assert process.returncode == 143, log
    assert "Traceback" not in log
    FaultyStore.faults.clear()
    return log


@pytest.mark.parametrize("job", ["verify", "describe"])
@pytest.mark.parametrize("effect", ["stall", "black hole"])
def test_reader_of_shards_that_do_not_arrive_leaves_no_file(
    job: str, effect: str, dataset: Path, store: str, tmp_path: Path
) -> None:
    for path in dataset.iterdir():
        if path.is_file():
            open_bucket(store).upload(path, f"dataset/{path.name}")
    log = stop(job, [f"{store}/dataset"], Fault(SHARD, effect, 99), tmp_path / "scratch")
    assert log.splitlines()[-1].endswith("stopped, as asked")
    assert "cleaned up" not in log
    assert [path.name for path in (tmp_path / "scratch").iterdir()] == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault(SOURCE, "stall", 99),
        Fault("POST /upload/", "black hole", 99),
        Fault("POST /upload/", "black hole", 99, skip=1),
        Fault("POST .*/rewriteTo/", "black hole", 99),
        Fault("GET /storage/v1/b/reviews/o[?].*prefix=dataset%2F&delimiter", "black hole", 99),
        Fault("DELETE ", "black hole", 99),
    ],
    ids=["source", "begin", "upload", "move", "checksums", "delete"],
)
def test_preprocessing_in_a_stalled_store_leaves_nothing_or_names_it(fault: Fault, store: str, tmp_path: Path) -> None:
    bucket = open_bucket(store)
    bucket.write("reviews.jsonl", b"".join(reviews(300)))
    arguments = sets(**SMALL_WINDOWS | {"input": f"{store}/reviews.jsonl", "output": f"{store}/dataset"})
    log = stop("preprocess", arguments, fault, tmp_path / "scratch")
    left = [name for name in bucket.names() if name != "reviews.jsonl"]
    assert not left or "the same command clears up at its next start" in log
    small_dataset(f"{store}/reviews.jsonl", f"{store}/dataset")
    small_dataset(f"{store}/reviews.jsonl", f"{store}/dataset")  # nothing to do but to clear up
    small_dataset(f"{store}/reviews.jsonl", tmp_path / "expected")
    expected = open_bucket(str(tmp_path / "expected")).names()
    assert open_bucket(f"{store}/dataset").names() == expected
