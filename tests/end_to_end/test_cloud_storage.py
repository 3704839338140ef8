"""Preprocessing and training between gs:// URLs give the bytes that they give between local folders."""

from pathlib import Path
from typing import Any

from jobs import train
from preprocessing.storage.bucket import Bucket
from preprocessing.storage.urls import open_bucket
from tests.support.inputs import small_dataset
from tests.support.runs import arguments

DIFFERENT = ("config", "tensorboard", "report", "starts")  # contain a URL, a time or the machine


def test_run_in_cloud_storage_equals_run_in_a_folder(
    store: str, dataset: Path, reviews_file: Path, tmp_path: Path
) -> None:
    open_bucket(store).upload(reviews_file, "in/reviews.jsonl")
    small_dataset(f"{store}/in/*.jsonl", f"{store}/dataset")
    remote, local = open_bucket(f"{store}/dataset"), open_bucket(str(dataset))
    assert contents(remote) == contents(local)
    before = remote.read_versioned("manifest.json")
    small_dataset(f"{store}/in/*.jsonl", f"{store}/dataset")
    assert remote.read_versioned("manifest.json") == before

    # One checkpoint, at the end: which steps a checkpoint every few seconds saves depends on the clock.
    short: dict[str, Any] = {"max_chars": 64 * 16 * 10, "checkpoint__every_seconds": 3600}
    train.main(arguments(dataset, tmp_path, **short))
    train.main(arguments(f"{store}/dataset", f"{store}/runs", **short))
    assert contents(open_bucket(f"{store}/runs/small")) == contents(open_bucket(str(tmp_path / "small")))


def contents(bucket: Bucket) -> dict[str, bytes]:
    """Return the objects that do not depend on time and place, by name."""
    return {name: bucket.read(name) for name in bucket.names() if not name.startswith(DIFFERENT)}
