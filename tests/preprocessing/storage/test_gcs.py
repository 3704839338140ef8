"""Cloud Storage, in an emulator."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest

from preprocessing.errors import Conflict, InputError
from preprocessing.storage.bucket import ABSENT
from preprocessing.storage.gcs_client import connect_client
from preprocessing.storage.gcs_errors import translate_errors
from preprocessing.storage.urls import open_bucket
from tests.support.gcs_emulator import Fault, FaultyStore, write_encoded
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
def test_a_lost_answer_is_no_conflict_in_a_store_that_adds_metadata_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FaultyStore, "own_metadata", {"x_store": "added"})
    bucket = open_bucket("gs://reviews/marked")
    FaultyStore.lost = 1
    version = bucket.write("x", b"1", if_version=ABSENT)
    assert FaultyStore.lost == 0
    assert bucket.read_versioned("x") == (b"1", version)


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


LARGE = 9_000_000  # bytes that the client uploads in a resumable session
DOWNLOAD = "GET /download/"


@pytest.fixture
def faults(endpoint: str) -> Iterator[list[Fault]]:  # noqa: ARG001
    """Give the emulator's list of faults, and empty it after the test."""
    yield FaultyStore.faults
    FaultyStore.faults.clear()


@pytest.mark.parametrize("status", [404, 410])
def test_upload_whose_session_is_lost_starts_again(faults: list[Fault], tmp_path: Path, status: int) -> None:
    bucket = open_bucket(f"gs://reviews/{tmp_path.name}")
    (tmp_path / "file").write_bytes(bytes(LARGE))
    faults.append(Fault("PUT .*upload_id", status, 2))
    bucket.upload(tmp_path / "file", "x")
    faults.append(Fault("PUT .*upload_id", status))
    bucket.write("y", bytes(LARGE), if_version=ABSENT)
    assert bucket.stat("x").bytes == bucket.stat("y").bytes == LARGE


def test_upload_whose_sessions_are_always_lost_is_worth_a_retry(faults: list[Fault], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(LARGE))
    faults.append(Fault("PUT .*upload_id", 404, 99))
    with pytest.raises(OSError, match="an upload was lost 3 times"):
        open_bucket("gs://reviews").upload(tmp_path / "file", "x")


@pytest.mark.parametrize("status", [308, 400, 401, 403, 409, 410, 411, 412, 416, 418])
@pytest.mark.parametrize(
    "operation", ["stat", "read", "fetch", "names", "write", "conditional write", "move", "delete"]
)
def test_no_status_is_a_raw_exception(faults: list[Fault], tmp_path: Path, status: int, operation: str) -> None:
    bucket = open_bucket(f"gs://reviews/{tmp_path.name}")
    bucket.write("x", b"1")
    operations: dict[str, Callable[[], object]] = {
        "stat": lambda: bucket.stat("x"),
        "read": lambda: bucket.read("x"),
        "fetch": lambda: bucket.fetch("x", tmp_path),
        "names": lambda: bucket.names(),
        "write": lambda: bucket.write("x", b"2"),
        "conditional write": lambda: bucket.write("y", b"2", if_version=ABSENT),
        "move": lambda: bucket.move("x", "y"),
        "delete": lambda: bucket.delete("x"),
    }
    faults.append(Fault("", status, 99))
    if (operation, status) == ("delete", 403):
        bucket.delete("x")  # a warning
        return
    with pytest.raises((OSError, InputError, Conflict), match="reviews") as raised:
        operations[operation]()
    assert "\n" not in str(raised.value)


def test_forbidden_delete_is_a_warning(faults: list[Fault], caplog: pytest.LogCaptureFixture) -> None:
    bucket = open_bucket("gs://reviews")
    bucket.write("kept", b"1")
    faults.append(Fault("DELETE", 403))
    bucket.delete("kept")
    assert "gs://reviews/kept is not deleted: no permission" in caplog.text
    assert bucket.read("kept") == b"1"


@pytest.mark.parametrize("effect", ["flip", "cut"])
def test_damaged_download_is_repeated(faults: list[Fault], tmp_path: Path, effect: str) -> None:
    bucket = open_bucket(f"gs://reviews/{tmp_path.name}")
    data = bytes(range(256)) * 400
    bucket.write("x", data)
    faults.append(Fault(DOWNLOAD, effect))
    assert bucket.read("x") == data
    faults.append(Fault(DOWNLOAD, effect, 2))
    assert bucket.fetch("x", tmp_path).read_bytes() == data


def test_download_that_is_damaged_each_time_is_worth_a_retry(faults: list[Fault]) -> None:
    bucket = open_bucket("gs://reviews")
    bucket.write("damaged", b"1234")
    faults.append(Fault(DOWNLOAD, "flip", 99))
    with pytest.raises(OSError, match="gs://reviews/damaged"):
        bucket.read("damaged")


def test_object_that_is_replaced_during_a_download_is_read_anew(faults: list[Fault]) -> None:
    # A resumed download asks for the old generation, and the store answers 404.
    bucket = open_bucket("gs://reviews")
    bucket.write("replaced", b"new")
    faults.append(Fault(DOWNLOAD, 404))
    assert bucket.read("replaced") == b"new"


def test_no_request_asks_for_the_bucket_itself(faults: list[Fault], tmp_path: Path) -> None:
    faults += [Fault(r"GET /storage/v1/b/reviews(\?|$)", 403, 99), Fault(r"GET /storage/v1/b(\?|$)", 403, 99)]
    bucket = open_bucket(f"gs://reviews/{tmp_path.name}")
    FaultyStore.requests.clear()
    bucket.write("x", b"1", if_version=ABSENT)
    bucket.move("x", "y")
    assert (bucket.names(), bucket.read("y"), bucket.stat("y").bytes) == (["y"], b"1", 1)
    bucket.delete("y")
    asked = [request for request in FaultyStore.requests if not re.search(r"/b/reviews/o|/rewriteTo/", request)]
    assert asked == []


def test_first_failed_request_is_logged(faults: list[Fault], caplog: pytest.LogCaptureFixture) -> None:
    faults.append(Fault("GET", 503, 2))
    open_bucket("gs://reviews").names()
    assert len([line for line in caplog.messages if "gs://reviews: a request failed and is tried again" in line]) == 1


@pytest.fixture
def no_client(endpoint: str) -> Iterator[None]:  # noqa: ARG001
    """Clear the process of its client, before and after a test."""
    connect_client.cache_clear()
    yield
    connect_client.cache_clear()


@pytest.mark.usefixtures("no_client")
@pytest.mark.parametrize(("place", "error"), [("a laptop", InputError), ("a pod", OSError)])
def test_missing_credentials_are_one_line(place: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    import google.auth

    def missing(*_: object, **__: object) -> Any:
        raise google.auth.exceptions.DefaultCredentialsError("Your default credentials were not found.")

    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    monkeypatch.setattr(google.auth, "default", missing)
    if place == "a pod":
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    with pytest.raises(error, match="gs://reviews: no Google Cloud credentials: Your default credentials"):
        open_bucket("gs://reviews")


@pytest.mark.usefixtures("no_client")
def test_credentials_without_a_project_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    import google.auth
    from google.auth.credentials import AnonymousCredentials

    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    monkeypatch.setattr(google.auth, "default", lambda *_, **__: (AnonymousCredentials(), None))
    assert open_bucket("gs://reviews/x").url == "gs://reviews/x"


@pytest.mark.usefixtures("no_client")
def test_all_buckets_of_a_process_share_one_login(monkeypatch: pytest.MonkeyPatch) -> None:
    import google.auth
    from google.auth.credentials import AnonymousCredentials

    logins = []

    def login(*_: object, **__: object) -> Any:
        logins.append(1)
        return AnonymousCredentials(), None

    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    monkeypatch.setattr(google.auth, "default", login)
    for url in ("gs://reviews/x", "gs://reviews/y", "gs://models"):
        open_bucket(url)
    assert len(logins) == 1


@pytest.mark.parametrize(("retryable", "error"), [(False, InputError), (True, OSError)])
def test_refused_credentials_name_the_remedy(retryable: bool, error: type[Exception]) -> None:
    from google.auth.exceptions import RefreshError

    def use_revoked() -> None:
        with translate_errors("reviews"):
            raise RefreshError("invalid_grant: Token has been revoked.", retryable=retryable)

    with pytest.raises(error, match="gs://reviews: the credentials are refused: .*revoked") as raised:
        use_revoked()
    assert ("gcloud auth application-default login" in str(raised.value)) is not retryable


@pytest.mark.usefixtures("endpoint")
def test_object_of_the_content_encoding_gzip_arrives_as_it_is_stored(tmp_path: Path) -> None:
    stored = write_encoded("gs://reviews/encoded/table.txt", b"symbols " * 100)
    bucket = open_bucket("gs://reviews/encoded")
    assert bucket.fetch("table.txt", tmp_path).read_bytes() == stored
    assert bucket.stat("table.txt").bytes == len(stored)
    assert bucket.read_range("table.txt", 3, 9) == stored[3:9]
    assert bucket.read("table.txt") == b"symbols " * 100


def test_emulator_decompresses_for_clients_that_do_not_accept_gzip(endpoint: str) -> None:
    stored = write_encoded("gs://reviews/encoded/page.html", b"a page " * 100)
    url = f"{endpoint}/download/storage/v1/b/reviews/o/encoded%2Fpage.html?alt=media"
    with urlopen(Request(url, headers={"Range": "bytes=0-3"})) as answer:
        assert answer.read() == b"a page " * 100
    with urlopen(Request(url, headers={"Range": "bytes=0-3", "Accept-Encoding": "gzip"})) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.read() == stored[:4]
