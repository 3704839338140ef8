import os
import subprocess
from pathlib import Path

import pytest

from preprocessing.errors import Conflict, InputError
from preprocessing.storage.bucket import ABSENT
from preprocessing.storage.urls import open_bucket


def test_the_size_of_a_large_file_is_known_without_reading_it(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as file:
        file.truncate(100 << 30)  # sparse file: reading its zeros would take a minute
    assert open_bucket(str(tmp_path)).stat("x").bytes == 100 << 30


def test_a_failed_write_changes_nothing(tmp_path: Path) -> None:
    bucket = open_bucket(str(tmp_path / "bucket"))
    bucket.write("x", b"old")
    with pytest.raises(IsADirectoryError):
        bucket.upload(tmp_path, "x")
    with pytest.raises(TypeError):
        bucket.write("x", "text, not bytes")  # type: ignore[arg-type]
    assert bucket.read("x") == b"old"
    assert [path.name for path in (tmp_path / "bucket").iterdir()] == ["x"]


def test_a_full_disk_is_an_os_error_and_leaves_no_partial_file(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], check=False).returncode:
        pytest.skip("needs the right to mount a small tmpfs")
    try:
        bucket = open_bucket(str(disk))
        bucket.write("x", b"old")
        with pytest.raises(OSError, match="No space left"):
            bucket.write("x", bytes(1_000_000))
        assert bucket.read("x") == b"old"
        assert [path.name for path in disk.iterdir()] == ["x"]
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_temporary_file_is_not_an_object(tmp_path: Path) -> None:
    (tmp_path / ".x.0123.tmp").write_bytes(b"half")
    (tmp_path / "y").write_bytes(b"")
    assert open_bucket(str(tmp_path)).names() == ["y"]


def test_a_folder_below_a_file_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    bucket = open_bucket(str(tmp_path / "file/below"))
    for condition in (None, ABSENT):
        with pytest.raises(InputError, match=f"{tmp_path}/file/below/x: cannot be written: "):
            bucket.write("x", b"", if_version=condition)
    with pytest.raises(FileNotFoundError):
        bucket.read("x")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        open_bucket(str(tmp_path.parent)).read(tmp_path.name)


def test_a_folder_is_made_only_by_a_write(tmp_path: Path) -> None:
    bucket = open_bucket(str(tmp_path / "new"))
    assert bucket.names() == []
    assert not (tmp_path / "new").exists()


def test_a_folder_is_deleted_with_its_last_object(tmp_path: Path) -> None:
    bucket = open_bucket(str(tmp_path / "out"))
    for name in ("a/b/one", "a/two", "three"):
        bucket.write(name, b"x")
    bucket.delete("a/b/one")
    assert sorted(path.name for path in (tmp_path / "out").rglob("*")) == ["a", "three", "two"]
    bucket.move("a/two", "two")
    bucket.delete("three")
    bucket.delete("two")
    assert list((tmp_path / "out").rglob("*")) == []
    assert (tmp_path / "out").is_dir()


def test_a_pipe_is_neither_read_nor_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    bucket = open_bucket(str(tmp_path))
    with pytest.raises(InputError, match="pipe: cannot be read: not a file"):
        bucket.read("pipe")
    with pytest.raises(InputError, match="pipe: cannot be written: not a file"):
        bucket.write("pipe", b"x")
    assert (tmp_path / "pipe").is_fifo()


def test_a_conditional_write_leaves_no_lock_file(tmp_path: Path) -> None:
    bucket = open_bucket(str(tmp_path))
    version = bucket.write("a", b"1", if_version=ABSENT)
    with pytest.raises(Conflict):
        bucket.write("a", b"2", if_version=ABSENT)
    bucket.write("a", b"3", if_version=version)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
