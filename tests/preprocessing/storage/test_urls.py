import re
import shutil
from pathlib import Path

import pytest

from preprocessing.errors import InputError
from preprocessing.storage.bucket import Bucket
from preprocessing.storage.urls import exists, last_part, open_bucket, open_for_writing, split_url
from tests.support.gcs_emulator import Fault, FaultyStore


@pytest.mark.parametrize(
    ("url", "folder", "name"),
    [
        ("data/r.json", "data", "r.json"),
        ("r.json", ".", "r.json"),
        ("/r.json", "/", "r.json"),
        ("/data/*.json", "/data", "*.json"),
        ("data/2024-*/r.json", "data", "2024-*/r.json"),
        ("data/part[12]/r?.json", "data", "part[12]/r?.json"),
        ("*.json", ".", "*.json"),
    ],
)
def test_split_url_gives_folder_and_name(url: str, folder: str, name: str) -> None:
    bucket, found = split_url(url)
    assert (bucket.url, found) == (folder, name)


@pytest.mark.parametrize("url", ["gs://b/runs/first", "gs://b/runs/first/", "runs/first/", "/runs/first", "first"])
def test_last_part_of_a_folder_is_its_name(url: str) -> None:
    assert last_part(url) == "first"


@pytest.mark.parametrize("url", ["data/", "/", ".", "..", "data/..", ""])
def test_split_url_refuses_a_folder(url: str) -> None:
    with pytest.raises(InputError, match="a folder, expected a file$"):
        split_url(url)


@pytest.mark.parametrize(
    "url", ["", "s3://bucket/x", "gs://", "gs:///x", "gs:/bucket/x", "file:/x", "  ", "https://example.org/x"]
)
def test_a_url_of_another_kind_is_an_input_error(url: str) -> None:
    with pytest.raises(InputError, match=r"expected .*gs://bucket/path"):
        open_bucket(url)


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    open_bucket("~/out").write("a", b"x")
    assert (tmp_path / "out" / "a").read_bytes() == b"x"


def test_a_written_file_appears_complete_after_the_block(bucket: Bucket) -> None:
    with open_for_writing(f"{bucket.url}/reviews.jsonl") as file:
        file.write(b"half")
        file.flush()
        assert not exists(bucket, "reviews.jsonl")
        file.write(b" and half")
    assert bucket.read("reviews.jsonl") == b"half and half"
    assert exists(bucket, "reviews.jsonl")


def test_a_block_that_raises_changes_nothing(bucket: Bucket) -> None:
    bucket.write("reviews.jsonl", b"old")

    def fail() -> None:
        with open_for_writing(f"{bucket.url}/reviews.jsonl") as file:
            file.write(b"half of the new")
            raise OSError("the block's own")

    with pytest.raises(OSError, match="the block's own"):
        fail()
    assert bucket.names() == ["reviews.jsonl"]
    assert bucket.read("reviews.jsonl") == b"old"


def test_a_result_that_cannot_be_uploaded_is_kept_in_a_named_file(store: str) -> None:
    FaultyStore.faults.append(Fault("^POST ", 400, 2))
    message = "gs://reviews/out/a.jsonl: not written, the result is in"
    with pytest.raises(OSError, match=message) as raised, open_for_writing(f"{store}/out/a.jsonl") as file:
        file.write(b"result")
    kept = re.search("the result is in ([^:]+):", str(raised.value))
    assert kept
    assert Path(kept[1]).read_bytes() == b"result"
    shutil.rmtree(Path(kept[1]).parent)


def test_an_upload_that_fails_once_is_tried_again(store: str) -> None:
    FaultyStore.faults.append(Fault("^POST ", 400))
    with open_for_writing(f"{store}/a.jsonl") as file:
        file.write(b"result")
    assert open_bucket(store).read("a.jsonl") == b"result"


@pytest.mark.usefixtures("endpoint")
def test_a_missing_bucket_is_an_input_error_before_the_block() -> None:
    with pytest.raises(InputError, match="gs://nobody: no such bucket"), open_for_writing("gs://nobody/x"):
        pytest.fail("the work would be in vain")
