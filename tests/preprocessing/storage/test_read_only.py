from pathlib import Path

import pytest

from preprocessing.storage.bucket import ReadOnlyBucket
from preprocessing.storage.urls import open_bucket


def test_what_a_reader_writes_goes_nowhere(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    bucket = open_bucket(str(folder))
    version = bucket.write("one", b"1")
    (tmp_path / "file").write_text("x")
    reader = ReadOnlyBucket(bucket)
    assert reader.write("one", b"2", if_version=version) == version
    reader.write("two", b"2")
    reader.upload(tmp_path / "file", "three")
    reader.move("one", "four")
    reader.delete("one")
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [("one", "1")]
    assert (reader.read("one"), reader.names(), reader.stat("one").bytes) == (b"1", ["one"], 1)
    with pytest.raises(FileNotFoundError):
        reader.read_versioned("two")
