"""Training from a store, on a dataset ten times as large as the disk limit."""

import resource
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from jobs import train
from preprocessing.dataset.folder import Dataset, open_dataset
from preprocessing.errors import InputError
from preprocessing.storage.urls import open_bucket
from tests.support.gcs_emulator import FaultyStore
from tests.support.inputs import small_dataset
from tests.support.job_process import JobProcess
from tests.support.runs import arguments, finish, outcome, saved_step, start, wait_until
from trainer.data.staging import stage

CHANGES: dict[str, Any] = {
    "epochs": 2,
    "block_windows": 100,
    "batch_windows": 32,
    "warmup_steps": 0,
    "log_every_steps": 40,
}


@pytest.fixture(scope="module")
def sharded(reviews_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the small dataset with 60 training shards."""
    folder = tmp_path_factory.mktemp("sharded") / "dataset"
    small_dataset(reviews_file, folder, shards=60)
    return folder


@pytest.fixture
def far(sharded: Path, store: str) -> str:
    """Copy the dataset into a store, and return the URL of the copy."""
    there = open_bucket(f"{store}/dataset")
    for name in open_bucket(str(sharded)).names():
        there.upload(sharded / name, name)
    return f"{store}/dataset"


def tenth(dataset: Dataset) -> int:
    """Return a tenth of the size of the training shards, in bytes."""
    return sum(shard.bytes for shard in dataset.manifest.shards_of("train")) // 10


def started(dataset: str, runs: Path, scratch: Path, max_bytes: int) -> JobProcess:
    scratch.mkdir(exist_ok=True)
    return start(arguments(dataset, runs, **CHANGES, staging__max_bytes=max_bytes), TMPDIR=str(scratch))


def watched(scratch: Path, ended: threading.Event, sizes: list[int]) -> None:
    """Append the total bytes of the shards in the scratch folder to `sizes`, every 2 ms until `ended` is set."""
    while not ended.wait(0.002):
        size = 0
        for path in scratch.glob("train-*/shards/*"):
            try:
                size += path.stat().st_size
            except FileNotFoundError:
                continue
        sizes.append(size)


@pytest.mark.slow
def test_a_run_on_a_disk_of_a_tenth_of_the_dataset_ends_with_the_bits_of_one_that_has_it_all(
    sharded: Path, far: str, tmp_path: Path
) -> None:
    limit = tenth(open_dataset(far))
    finish(started(str(sharded), tmp_path / "all", tmp_path / "scratch-all", limit))
    ended, sizes = threading.Event(), [0]
    watch = threading.Thread(target=watched, args=(tmp_path / "scratch", ended, sizes))
    watch.start()
    FaultyStore.flaky = 11  # every eleventh request fails
    try:
        finish(started(far, tmp_path / "tenth", tmp_path / "scratch", limit))
    finally:
        ended.set()
        watch.join()
    assert outcome(tmp_path / "tenth/small") == outcome(tmp_path / "all/small")
    assert 0 < max(sizes) <= limit
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.slow
def test_asked_to_stop_while_the_store_is_down_it_saves_and_stops_and_goes_on_later(
    sharded: Path, far: str, tmp_path: Path
) -> None:
    limit = tenth(open_dataset(far))
    process = started(far, tmp_path / "stopped", tmp_path / "scratch", limit)
    wait_until(lambda: saved_step(tmp_path / "stopped/small") > 0, process)
    FaultyStore.outage = 10**9
    wait_until(lambda: FaultyStore.outage < 10**9 - 6, process)  # several retries: no staged shard is left
    process.send_signal(signal.SIGTERM)
    finish(process, code=143)
    FaultyStore.outage = 0
    stopped_at = saved_step(tmp_path / "stopped/small")
    errors = finish(started(far, tmp_path / "stopped", tmp_path / "scratch", 2 * limit))
    assert f"continuing after step {stopped_at}" in errors
    finish(started(str(sharded), tmp_path / "all", tmp_path / "scratch", limit))
    assert outcome(tmp_path / "stopped/small") == outcome(tmp_path / "all/small")


def test_a_limit_below_what_a_step_needs_is_refused_with_both_numbers(far: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"staging.max_bytes=9: gs://.*train-.* alone has \d+ bytes"):
        train.main(arguments(far, tmp_path, **CHANGES, staging__max_bytes=9))
    with pytest.raises(
        InputError, match=r"staging.max_bytes=20000: a step may need \d+ bytes of shards, two blocks of block_windows="
    ):
        train.main(arguments(far, tmp_path, **(CHANGES | {"block_windows": 2000}), staging__max_bytes=20000))


def test_a_shard_damaged_in_the_store_is_named_and_its_copy_removed(far: str, tmp_path: Path) -> None:
    dataset = open_dataset(far)
    shard = dataset.manifest.shards_of("train")[3]
    dataset.bucket.write(shard.name, bytes(shard.bytes))
    with stage(dataset, tmp_path, max_bytes=10**9) as staging:
        with pytest.raises(InputError, match=f"{shard.name}: SHA-256 .*: the shard is altered"):
            staging.map_shard(shard)
        dataset.bucket.delete(shard.name)
        with pytest.raises(InputError, match=f"{shard.name}: missing, but named in manifest.json"):
            staging.map_shard(shard)
    assert list((tmp_path / "shards").iterdir()) == []


def test_a_disk_that_is_full_is_an_error_and_leaves_nothing(far: str, tmp_path: Path) -> None:
    """Simulate a full disk with a limit on file size, which needs no separate disk."""
    dataset = open_dataset(far)
    shard = dataset.manifest.shards_of("train")[0]
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (shard.bytes - 1, most))
    try:
        with (
            stage(dataset, tmp_path, max_bytes=10**9) as staging,
            pytest.raises(OSError, match="File too large"),
        ):
            staging.map_shard(shard)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))
    assert list((tmp_path / "shards").iterdir()) == []
