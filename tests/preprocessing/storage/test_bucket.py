"""The same cases for a folder and for Cloud Storage, which an emulator stands in for."""

import multiprocessing
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from preprocessing.errors import Conflict, InputError
from preprocessing.storage.bucket import ABSENT, Bucket, local_file
from preprocessing.storage.urls import is_local, open_bucket
from tests.support.gcs_emulator import FaultyStore, emulator


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with emulator(bucket="reviews") as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", url)
        yield url


@pytest.fixture(params=["folder", "gs"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path, endpoint: str) -> Bucket:  # noqa: ARG001
    return open_bucket(str(tmp_path / "bucket") if request.param == "folder" else f"gs://reviews/{tmp_path.name}")


@pytest.mark.parametrize("data", [b"", b"hello", bytes(range(256)) * 1000])
def test_what_is_written_is_read(bucket: Bucket, data: bytes) -> None:
    version = bucket.write("a/b.bin", data)
    assert bucket.read("a/b.bin") == data
    assert bucket.read_versioned("a/b.bin") == (data, version)
    assert bucket.stat("a/b.bin").bytes == len(data)


def test_a_write_replaces_and_gives_a_new_version(bucket: Bucket) -> None:
    first = bucket.write("x", b"1")
    second = bucket.write("x", b"2")
    assert first != second
    assert bucket.read("x") == b"2"


def test_names_are_sorted_below_the_bucket_s_own_prefix(bucket: Bucket) -> None:
    assert bucket.names() == []
    for name in ("b", "a/2", "a/10", "ab/1"):
        bucket.write(name, b"")
    assert bucket.names() == ["a/10", "a/2", "ab/1", "b"]
    assert bucket.names("a/") == ["a/10", "a/2"]


def test_the_checksum_is_the_crc32c_of_the_content(bucket: Bucket) -> None:
    bucket.write("x", b"123456789")
    assert bucket.stat("x").crc32c() == "4waSgw=="  # base64 of e3069283, the check value of CRC-32C


def test_an_object_has_the_time_of_its_last_write(bucket: Bucket) -> None:
    before = time.time()
    bucket.write("x", b"")
    assert before - 1 < bucket.stat("x").written_seconds < time.time() + 1


def test_the_size_of_a_large_file_is_known_without_reading_it(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as file:
        file.truncate(100 << 30)  # sparse: to read its zeros would take a minute
    assert open_bucket(str(tmp_path)).stat("x").bytes == 100 << 30


def test_an_object_that_is_not_there_is_named_with_its_url(bucket: Bucket, tmp_path: Path) -> None:
    actions: list[Callable[[], object]] = [
        lambda: bucket.read("no/x"),
        lambda: bucket.read_versioned("no/x"),
        lambda: bucket.stat("no/x"),
        lambda: bucket.fetch("no/x", tmp_path / "local"),
    ]
    for action in actions:
        with pytest.raises(FileNotFoundError, match=f"{bucket.url}/no/x"):
            action()
    assert [path for path in (tmp_path / "local").rglob("*") if path.is_file()] == []


def test_deleting_twice_is_fine(bucket: Bucket) -> None:
    bucket.write("x", b"")
    bucket.delete("x")
    bucket.delete("x")
    assert bucket.names() == []


def test_a_file_goes_up_and_comes_down(bucket: Bucket, tmp_path: Path) -> None:
    data = os.urandom(9_000_000)  # above the client's bound for a simple upload
    (tmp_path / "up").write_bytes(data)
    bucket.upload(tmp_path / "up", "deep/er/x")
    assert bucket.fetch("deep/er/x", tmp_path / "scratch").read_bytes() == data
    with local_file(bucket, "deep/er/x", tmp_path) as path:
        assert path.read_bytes() == data
    assert path.exists() == is_local(bucket.url)  # a copy is deleted


def test_an_object_that_must_be_new_is_written_once(bucket: Bucket) -> None:
    bucket.write("x", b"first", if_version=ABSENT)
    with pytest.raises(Conflict, match=f"{bucket.url}/x: expected no object, found version"):
        bucket.write("x", b"second", if_version=ABSENT)
    assert bucket.read("x") == b"first"


def test_a_write_over_a_version_that_is_gone_changes_nothing(bucket: Bucket) -> None:
    old = bucket.write("x", b"1")
    new = bucket.write("x", b"2", if_version=old)
    with pytest.raises(Conflict):
        bucket.write("x", b"3", if_version=old)
    assert bucket.read_versioned("x") == (b"2", new)
    bucket.delete("x")
    with pytest.raises(Conflict, match="found no object"):
        bucket.write("x", b"4", if_version=new)


def test_of_many_threads_that_replace_one_version_one_wins(bucket: Bucket) -> None:
    old = bucket.write("x", b"old")

    def attempt(number: int) -> bool:
        try:
            bucket.write("x", b"%d" % number, if_version=old)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(attempt, range(8)))
    assert won.count(True) == 1
    assert bucket.read("x") == b"%d" % won.index(True)


def race(url: str, number: int, barrier: "multiprocessing.synchronize.Barrier", won: "multiprocessing.Queue") -> None:
    bucket = open_bucket(url)
    barrier.wait()
    try:
        bucket.write("x", b"%d" % number, if_version=ABSENT)
        won.put(number)
    except Conflict:
        won.put(None)


def test_of_two_processes_that_make_one_object_one_wins(bucket: Bucket) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, won = context.Barrier(2), context.Queue()
    processes = [context.Process(target=race, args=(bucket.url, number, barrier, won)) for number in (1, 2)]
    for process in processes:
        process.start()
    found = [won.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    winner = next(number for number in found if number is not None)
    assert found.count(None) == 1
    assert bucket.read("x") == b"%d" % winner


def test_a_local_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    bucket = open_bucket(str(tmp_path / "bucket"))
    bucket.write("x", b"old")
    with pytest.raises(IsADirectoryError):
        bucket.upload(tmp_path, "x")
    with pytest.raises(TypeError):
        bucket.write("x", "text, not bytes")  # type: ignore[arg-type]
    assert bucket.read("x") == b"old"
    assert [path.name for path in (tmp_path / "bucket").iterdir()] == ["x"]


def test_a_full_disk_is_no_input_error_and_leaves_no_partial_file(tmp_path: Path) -> None:
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


def test_a_temporary_file_that_was_left_over_is_not_an_object(tmp_path: Path) -> None:
    (tmp_path / ".x.0123.tmp").write_bytes(b"half")
    (tmp_path / "y").write_bytes(b"")
    assert open_bucket(str(tmp_path)).names() == ["y"]


def test_a_folder_that_cannot_be_is_an_input_error(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("name", ["", "/etc/x", "../x", "a/../../x", "a//b", "./x", "x/", ".x.tmp"])
def test_a_name_that_leads_outside_is_refused(bucket: Bucket, name: str) -> None:
    with pytest.raises(ValueError, match="expected a relative path"):
        bucket.write(name, b"")


@pytest.mark.usefixtures("endpoint")
def test_a_bucket_that_does_not_exist_is_an_input_error() -> None:
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
def test_a_store_that_is_out_for_a_moment_is_asked_again() -> None:
    bucket = open_bucket("gs://reviews/outage")
    FaultyStore.outage = 1
    bucket.write("x", b"1", if_version=ABSENT)
    FaultyStore.outage = 1
    assert bucket.read("x") == b"1"
    assert FaultyStore.outage == 0


@pytest.mark.usefixtures("endpoint")
@pytest.mark.parametrize("size", [4, 9_000_000])  # one request, and a resumable upload
def test_a_write_whose_answer_was_lost_is_not_a_conflict_with_itself(size: int) -> None:
    bucket = open_bucket(f"gs://reviews/repeated-{size}")
    FaultyStore.lost = 1
    version = bucket.write("x", bytes(size), if_version=ABSENT)
    assert FaultyStore.lost == 0
    assert bucket.read_versioned("x") == (bytes(size), version)


@pytest.mark.parametrize("size", [4, 9_000_000])
def test_of_two_owners_that_write_the_same_one_still_loses(bucket: Bucket, size: int) -> None:
    bucket.write("x", bytes(size), if_version=ABSENT)
    with pytest.raises(Conflict):
        bucket.write("x", bytes(size), if_version=ABSENT)


def test_of_many_threads_that_make_one_large_object_one_wins(bucket: Bucket) -> None:
    def attempt(number: int) -> bool:
        try:
            bucket.write("x", bytes([number]) * 9_000_000, if_version=ABSENT)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(attempt, range(4))).count(True) == 1


@pytest.mark.usefixtures("endpoint")
def test_a_copy_below_a_file_is_an_input_error(tmp_path: Path) -> None:
    bucket = open_bucket(f"gs://reviews/{tmp_path.name}")
    bucket.write("x", b"")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file/below/x: cannot be written: Not a directory"):
        bucket.fetch("x", tmp_path / "file/below")


def test_deleting_what_is_no_object_is_fine(bucket: Bucket) -> None:
    bucket.write("folder/x", b"")
    bucket.delete("folder")
    bucket.delete("folder/x/y")
    assert bucket.names() == ["folder/x"]


def test_a_bucket_s_prefix_ends_at_a_slash(bucket: Bucket) -> None:
    bucket.write("x", b"")
    open_bucket(f"{bucket.url}-2").write("y", b"")
    assert bucket.names() == ["x"]


def test_the_longest_name_of_a_file_can_be_written(bucket: Bucket) -> None:
    bucket.write("n" * 255, b"x")
    assert bucket.names() == ["n" * 255]


def test_a_moved_object_is_where_it_was_moved_to_and_only_there(bucket: Bucket) -> None:
    bucket.write("building/a", b"new")
    bucket.write("b/c", b"old")
    bucket.move("building/a", "b/c")
    assert bucket.names() == ["b/c"]
    assert bucket.read("b/c") == b"new"


def test_an_object_that_is_not_there_cannot_be_moved(bucket: Bucket) -> None:
    with pytest.raises(FileNotFoundError):
        bucket.move("a", "b")
    assert bucket.names() == []


def test_a_folder_goes_with_its_last_object(tmp_path: Path) -> None:
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


def test_what_is_no_file_is_neither_read_nor_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    bucket = open_bucket(str(tmp_path))
    with pytest.raises(InputError, match="pipe: cannot be read: not a file"):
        bucket.read("pipe")
    with pytest.raises(InputError, match="pipe: cannot be written: not a file"):
        bucket.write("pipe", b"x")
    assert (tmp_path / "pipe").is_fifo()


def test_a_conditional_write_leaves_no_lock_behind(tmp_path: Path) -> None:
    bucket = open_bucket(str(tmp_path))
    version = bucket.write("a", b"1", if_version=ABSENT)
    with pytest.raises(Conflict):
        bucket.write("a", b"2", if_version=ABSENT)
    bucket.write("a", b"3", if_version=version)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_names_may_leave_out_what_is_further_down(bucket: Bucket) -> None:
    for name in ("a", "b/c", "b/d/e", "bc"):
        bucket.write(name, b"x")
    assert bucket.names(recursive=False) == ["a", "bc"]
    assert bucket.names("b/", recursive=False) == ["b/c"]
    assert bucket.names("b") == ["b/c", "b/d/e", "bc"]
    assert bucket.names("b/") == ["b/c", "b/d/e"]
    assert bucket.names("none/") == []
