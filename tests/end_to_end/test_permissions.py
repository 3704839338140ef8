"""Commands on Cloud Storage with the permissions that the documentation asks for, and no others."""

from pathlib import Path
from typing import Any

import pytest

from jobs import describe, evaluate, export, promote, report, sample, score, train, verify, watch
from preprocessing.errors import InputError
from preprocessing.storage.urls import open_bucket
from tests.support.gcs_emulator import Fault, FaultyStore
from tests.support.inputs import small_dataset
from tests.support.runs import arguments

# Reading, listing, creating and deleting objects is allowed. Cloud Storage counts an overwrite as create and delete.
NEITHER_BUCKETS_NOR_UPDATES = (r"^\S+ /storage/v1/b(/[^/?]+)?(\?|$)", "^PATCH ", "^PUT /storage/", "/acl", "/iam")
WRITES = ("^POST ", "^PUT ", "^DELETE ", "^PATCH ")
SHORT: dict[str, Any] = {"max_chars": 64 * 16 * 10, "checkpoint__every_seconds": 3600}


def refuse(*patterns: str) -> list[Fault]:
    """Answer requests that contain a pattern with 403, as for a missing role."""
    faults = [Fault(pattern, 403, 1_000_000) for pattern in patterns]
    FaultyStore.faults.extend(faults)
    return faults


def refused(faults: list[Fault]) -> int:
    """Return the number of requests that were refused."""
    return sum(1_000_000 - fault.count for fault in faults)


def test_all_commands_need_objects_get_list_create_and_delete_alone(store: str, reviews_file: Path) -> None:
    open_bucket(store).upload(reviews_file, "in/reviews.jsonl")
    faults = refuse(*NEITHER_BUCKETS_NOR_UPDATES)
    small_dataset(f"{store}/in/*.jsonl", f"{store}/dataset")
    run = f"{store}/runs/small"
    train.main(arguments(f"{store}/dataset", f"{store}/runs", **SHORT))
    evaluate.main([run])
    report.main([run])
    export.main([run, "--to", f"{store}/export"])
    promote.main([run, "--to", f"{store}/models"])
    sample.main([run, "--chars", "20", "--output", f"{store}/samples.jsonl"])
    score.main([run, f"{store}/in/*.jsonl", "--output", f"{store}/scores.jsonl"])
    verify.main([f"{store}/dataset"])
    assert refused(faults) == 0


def test_reading_is_enough_for_commands_that_only_read(store: str, reviews_file: Path, tmp_path: Path) -> None:
    open_bucket(store).upload(reviews_file, "in/reviews.jsonl")
    small_dataset(f"{store}/in/*.jsonl", f"{store}/dataset")
    run = f"{store}/runs/small"
    train.main(arguments(f"{store}/dataset", f"{store}/runs", **SHORT))
    faults = refuse(*NEITHER_BUCKETS_NOR_UPDATES, *WRITES)
    sample.main([run, "--chars", "20", "--output", str(tmp_path / "samples.jsonl")])
    score.main([run, f"{store}/in/*.jsonl", "--output", str(tmp_path / "scores.jsonl")])
    evaluate.main([run])
    report.main([run, "--to", str(tmp_path / "report.html")])
    report.main([run, "--json"])
    export.main([run, "--to", str(tmp_path / "export")])
    watch.main([run, "--once"])
    describe.main([f"{store}/dataset"])
    verify.main([f"{store}/dataset"])
    assert refused(faults) == 0
    with pytest.raises(InputError, match="gs://reviews"):
        open_bucket(store).write("name", b"")
