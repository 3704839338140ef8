"""The whole way with gs:// in and out, against an emulator, held against the same way in local folders."""

from pathlib import Path
from typing import Any

import pytest

from jobs import train
from preprocessing.errors import InputError
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

    short: dict[str, Any] = {"max_chars": 64 * 16 * 10}
    train.main(arguments(dataset, tmp_path, **short))
    train.main(arguments(f"{store}/dataset", f"{store}/runs", **short))
    there, here = open_bucket(f"{store}/runs/small"), open_bucket(str(tmp_path / "small"))
    same = [name for name in here.names() if not name.startswith(OWN)]
    assert same == [name for name in there.names() if not name.startswith(OWN)]
    assert [there.read(name) for name in same] == [here.read(name) for name in same]


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
