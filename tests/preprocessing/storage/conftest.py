"""Buckets to test: a local folder, and Cloud Storage in an emulator."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from preprocessing.storage.bucket import Bucket
from preprocessing.storage.urls import open_bucket
from tests.support.gcs_emulator import emulator


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Serve Cloud Storage, with an empty bucket gs://reviews, and give its URL."""
    with emulator(bucket="reviews") as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", url)
        yield url


@pytest.fixture(params=["folder", "gs"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path, endpoint: str) -> Bucket:  # noqa: ARG001
    """Return an empty bucket: a local folder, then a folder of gs://reviews."""
    return open_bucket(str(tmp_path / "bucket") if request.param == "folder" else f"gs://reviews/{tmp_path.name}")
