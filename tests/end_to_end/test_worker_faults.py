"""Faults of the store and of credentials in a pipeline's workers: one line, or the bytes of an undisturbed build."""

from pathlib import Path

import pytest
from google.auth.credentials import Credentials
from google.auth.exceptions import RefreshError, TransportError

from preprocessing.errors import InputError
from preprocessing.storage import retry
from preprocessing.storage.urls import open_bucket
from tests.support.gcs_emulator import Fault, FaultyStore
from tests.support.inputs import reviews, small_dataset

REVOKED = RefreshError("invalid_grant: Token has been revoked.")
METADATA_AWAY = RefreshError(TransportError("Compute Engine Metadata server unavailable."))
DOWNLOAD, UPLOAD = "GET /download/.*reviews.jsonl", "POST /upload/"


class RefreshedCredentials(Credentials):
    """Credentials of which the next refreshes fail with the errors, one each. The client refreshes after status 401."""

    def __init__(self, errors: list[Exception]) -> None:
        super().__init__()
        self.token, self._errors = "secret", errors

    def refresh(self, _: object) -> None:
        if self._errors:
            raise self._errors.pop()


@pytest.fixture
def source(store: str) -> str:
    """Return the URL of 300 reviews in the store."""
    open_bucket(store).write("reviews.jsonl", b"".join(reviews(300)))
    return f"{store}/reviews.jsonl"


def log_in(errors: list[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the process's client credentials in place of the emulator's anonymous ones, and no pause between tries."""
    monkeypatch.setattr(retry, "PAUSE_SECONDS", 0.0)
    client = open_bucket("gs://reviews")._bucket.client  # type: ignore[attr-defined]
    monkeypatch.setattr(client._http, "credentials", RefreshedCredentials(errors))


@pytest.mark.parametrize("place", ["laptop", "pod"])
@pytest.mark.parametrize(
    ("refusals", "expected"),
    [
        (Fault(DOWNLOAD, 401, 99), "gs://reviews: no permission: "),
        (Fault(UPLOAD, 401, 99, skip=1), "gs://reviews: no permission: "),
        (Fault(DOWNLOAD, 401, 99), "gs://reviews: the credentials are refused: .*revoked.*gcloud auth"),
        (Fault(UPLOAD, 401, 99, skip=1), "gs://reviews: the credentials are refused: .*revoked.*gcloud auth"),
    ],
    ids=["read", "write", "read, revoked", "write, revoked"],
)
def test_refusal_is_one_line_and_only_in_a_pod_worth_a_retry(
    place: str, refusals: Fault, expected: str, source: str, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place == "pod":
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    log_in([REVOKED] * 99 if "revoked" in expected else [], monkeypatch)
    FaultyStore.faults.append(Fault(refusals.pattern, 401, refusals.count, refusals.skip))
    with pytest.raises(InputError if place == "laptop" else OSError, match=expected) as raised:
        small_dataset(source, f"{store}/dataset")
    assert "\n" not in str(raised.value)
    assert "while running" not in str(raised.value)
    assert open_bucket(store).names() == ["reviews.jsonl"]


@pytest.mark.parametrize(
    ("fault", "errors"),
    [
        (Fault(DOWNLOAD, 401, 3), [METADATA_AWAY] * 3),
        (Fault(UPLOAD, 401, 3, skip=1), [METADATA_AWAY] * 3),
        (Fault(UPLOAD, 400, 2, skip=1), []),  # a checksum that is wrong on arrival
        (Fault(DOWNLOAD, 400, 2), []),
        (Fault(DOWNLOAD, "cut"), []),
        (Fault(UPLOAD, 410, 2, skip=1), []),
    ],
    ids=["read, no metadata", "write, no metadata", "write, checksum", "read, 400", "read, cut", "write, lost"],
)
def test_fault_that_passes_ends_no_build(
    fault: Fault, errors: list[Exception], source: str, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in([*errors], monkeypatch)
    FaultyStore.faults.append(fault)
    small_dataset(source, f"{store}/dataset")
    assert (fault.skip, fault.count) == (0, 0)
    expected = open_bucket(str(tmp_path / "expected"))
    small_dataset(source, expected.url)
    remote = open_bucket(f"{store}/dataset")
    assert {name: remote.read(name) for name in remote.names()} == {
        name: expected.read(name) for name in expected.names()
    }
