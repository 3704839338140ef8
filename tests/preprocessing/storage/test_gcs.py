"""The whole way with gs:// in and out, against an emulator, held against the same way in local folders."""

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from jobs import train
from preprocessing.errors import InputError
from preprocessing.storage.bucket import ABSENT
from preprocessing.storage.urls import open_bucket
from tests.support.inputs import small_dataset
from tests.support.local_service import service
from tests.support.runs import arguments

# Of the place and the time of a run: its URLs, how fast it went, and where.
OWN = ("config", "tensorboard", "report", "starts")


def test_a_run_in_cloud_storage_is_the_run_in_a_folder(
    store: str, dataset: Path, reviews_file: Path, tmp_path: Path
) -> None:
    open_bucket(store).upload(reviews_file, "in/reviews.jsonl")
    small_dataset(f"{store}/in/*.jsonl", f"{store}/dataset")
    made, local = open_bucket(f"{store}/dataset"), open_bucket(str(dataset))
    assert made.names() == local.names()
    assert [made.read(name) for name in made.names()] == [local.read(name) for name in local.names()]
    before = made.read_versioned("manifest.json")
    small_dataset(f"{store}/in/*.jsonl", f"{store}/dataset")
    assert made.read_versioned("manifest.json") == before

    # Saved at the end alone: which steps are saved every so many seconds depends on the clock.
    short: dict[str, Any] = {"max_chars": 64 * 16 * 10, "checkpoint__every_seconds": 3600}
    train.main(arguments(dataset, tmp_path, **short))
    train.main(arguments(f"{store}/dataset", f"{store}/runs", **short))
    there, here = open_bucket(f"{store}/runs/small"), open_bucket(str(tmp_path / "small"))
    same = [name for name in here.names() if not name.startswith(OWN)]
    assert same == [name for name in there.names() if not name.startswith(OWN)]
    assert [there.read(name) for name in same] == [here.read(name) for name in same]


@pytest.mark.parametrize(
    ("name", "content_type", "cache_control"),
    [
        ("report.html", "text/html; charset=utf-8", "no-store"),
        ("checkpoint.json", "application/json", "no-store"),
        ("metrics.jsonl", "text/plain; charset=utf-8", "no-store"),
        ("config.yaml", "text/plain; charset=utf-8", "no-store"),
        ("samples/epoch-001.txt", "text/plain; charset=utf-8", "no-store"),
        ("checkpoints/step-1.safetensors", "application/octet-stream", None),
        ("train-00000-of-00001.tfrecord", "application/octet-stream", None),
        ("rejected/reviews.jsonl.gz", "application/octet-stream", None),
    ],
)
@pytest.mark.parametrize("method", ["write", "conditional write", "upload", "resumable upload"])
def test_an_object_s_content_type_comes_from_its_name_and_no_cache_keeps_text(
    store: str, tmp_path: Path, method: str, name: str, content_type: str, cache_control: str | None
) -> None:
    bucket = open_bucket(store)
    if method == "write":
        bucket.write(name, b"x")
    elif method == "conditional write":
        bucket.write(name, b"x", if_version=ABSENT)
    else:
        (tmp_path / "file").write_bytes(bytes(9_000_000 if method == "resumable upload" else 1))
        bucket.upload(tmp_path / "file", name)
    resource = stored(f"{store}/{name}")
    assert (resource["contentType"], resource.get("cacheControl")) == (content_type, cache_control)


def stored(url: str) -> dict[str, Any]:
    """Return an object's resource, as the emulator keeps it."""
    bucket, _, name = url.removeprefix("gs://").partition("/")
    resource = f"{os.environ['STORAGE_EMULATOR_HOST']}/storage/v1/b/{bucket}/o/{quote(name, safe='')}"
    with urlopen(resource) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


@pytest.mark.parametrize(("place", "error"), [("a laptop", InputError), ("a pod", OSError)])
def test_without_permission_only_a_pod_is_worth_a_retry(
    place: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A role that was just given takes minutes to hold: there a Job that fails for good would be wrong.
    def forbidden(*_: object) -> Any:
        raise PermissionError("trainer does not have storage.objects.get access")

    if place == "a pod":
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    with service(forbidden) as port:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://localhost:{port}")
        with pytest.raises(error, match="gs://reviews: no permission: .*trainer does not have storage.objects.get"):
            open_bucket("gs://reviews").read("manifest.json")
