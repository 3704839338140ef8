from pathlib import Path

import pytest

from preprocessing.errors import InputError
from preprocessing.storage.urls import open_bucket, split_url


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
def test_a_url_is_a_folder_and_a_name(url: str, folder: str, name: str) -> None:
    bucket, found = split_url(url)
    assert (bucket.url, found) == (folder, name)


@pytest.mark.parametrize("url", ["data/", "/", ".", "..", "data/..", ""])
def test_a_folder_is_no_file(url: str) -> None:
    with pytest.raises(InputError, match="a folder, expected a file$"):
        split_url(url)


@pytest.mark.parametrize(
    "url", ["", "s3://bucket/x", "gs://", "gs:///x", "gs:/bucket/x", "file:/x", "  ", "https://example.org/x"]
)
def test_a_url_of_another_kind_is_an_input_error(url: str) -> None:
    with pytest.raises(InputError, match=r"expected .*gs://bucket/path"):
        open_bucket(url)


def test_a_tilde_is_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    open_bucket("~/out").write("a", b"x")
    assert (tmp_path / "out" / "a").read_bytes() == b"x"
