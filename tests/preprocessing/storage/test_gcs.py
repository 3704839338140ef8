"""Cloud Storage, in an emulator."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from preprocessing.errors import InputError
from preprocessing.storage.bucket import ABSENT
from preprocessing.storage.urls import open_bucket
from tests.support.gcs_emulator import FaultyStore
from tests.support.local_service import service


@pytest.mark.usefixtures("endpoint")
def test_a_missing_bucket_is_an_input_error() -> None:
    bucket = open_bucket("gs://nobody/x")
    actions: list[Callable[[], object]] = [
        lambda: bucket.write("x", b""),
        lambda: bucket.names(),
        lambda: bucket.read("x"),
        lambda: bucket.stat("x"),
        lambda: bucket.delete("x"),
    ]
    for action in actions:
        with pytest.raises(InputError, match="gs://nobody: no such bucket"):
            action()


@pytest.mark.usefixtures("endpoint")
def test_a_request_is_repeated_after_a_short_outage() -> None:
    bucket = open_bucket("gs://reviews/outage")
    FaultyStore.outage = 1
    bucket.write("x", b"1", if_version=ABSENT)
    FaultyStore.outage = 1
    assert bucket.read("x") == b"1"
    assert FaultyStore.outage == 0


@pytest.mark.usefixtures("endpoint")
@pytest.mark.parametrize("size", [4, 9_000_000])  # one request, and a resumable upload
def test_a_write_whose_answer_was_lost_is_no_conflict_with_itself(size: int) -> None:
    bucket = open_bucket(f"gs://reviews/repeated-{size}")
    FaultyStore.lost = 1
    version = bucket.write("x", bytes(size), if_version=ABSENT)
    assert FaultyStore.lost == 0
    assert bucket.read_versioned("x") == (bytes(size), version)


@pytest.mark.usefixtures("endpoint")
def test_a_copy_below_a_file_is_an_input_error(tmp_path: Path) -> None:
    bucket = open_bucket(f"gs://reviews/{tmp_path.name}")
    bucket.write("x", b"")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file/below/x: cannot be written: Not a directory"):
        bucket.fetch("x", tmp_path / "file/below")


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
def test_content_type_comes_from_the_name_and_text_is_not_cached(
    endpoint: str, tmp_path: Path, method: str, name: str, content_type: str, cache_control: str | None
) -> None:
    bucket = open_bucket(f"gs://reviews/{tmp_path.name}")
    if method == "write":
        bucket.write(name, b"x")
    elif method == "conditional write":
        bucket.write(name, b"x", if_version=ABSENT)
    else:
        (tmp_path / "file").write_bytes(bytes(9_000_000 if method == "resumable upload" else 1))
        bucket.upload(tmp_path / "file", name)
    path = quote(f"{tmp_path.name}/{name}", safe="")
    with urlopen(f"{endpoint}/storage/v1/b/reviews/o/{path}") as answer:
        resource = json.load(answer)
    assert (resource["contentType"], resource.get("cacheControl")) == (content_type, cache_control)


@pytest.mark.parametrize(("place", "error"), [("a laptop", InputError), ("a pod", OSError)])
def test_without_permission_only_a_pod_is_worth_a_retry(
    place: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A new IAM role takes minutes to apply, so a Job must retry, not fail for good.
    def forbidden(*_: object) -> Any:
        raise PermissionError("trainer does not have storage.objects.get access")

    if place == "a pod":
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    with service(forbidden) as port:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://localhost:{port}")
        with pytest.raises(error, match="gs://reviews: no permission: .*trainer does not have storage.objects.get"):
            open_bucket("gs://reviews").read("manifest.json")
