"""Bucket: the same tests for a local folder and for Cloud Storage."""

import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from preprocessing.errors import Conflict
from preprocessing.storage.bucket import ABSENT, Bucket, ReadOnlyBucket, VersionedObject, local_file
from preprocessing.storage.urls import is_local, open_bucket
from tests.support.memory import Memory, no_answer


@pytest.mark.parametrize("data", [b"", b"hello", bytes(range(256)) * 1000])
def test_read_returns_the_written_content(bucket: Bucket, data: bytes) -> None:
    version = bucket.write("a/b.bin", data)
    assert bucket.read("a/b.bin") == data
    assert bucket.read_versioned("a/b.bin") == (data, version)
    assert bucket.stat("a/b.bin").bytes == len(data)


def test_start_of_an_object_is_read_alone(bucket: Bucket) -> None:
    bucket.write("x", b"0123456789")
    assert bucket.read_range("x", 2, 4) == b"23"
    assert bucket.read_range("x", 0, 99) == b"0123456789"
    with pytest.raises(FileNotFoundError):
        bucket.read_range("y", 0, 4)


def test_write_replaces_the_object_and_returns_a_new_version(bucket: Bucket) -> None:
    first = bucket.write("x", b"1")
    second = bucket.write("x", b"2")
    assert first != second
    assert bucket.read("x") == b"2"


def test_names_are_sorted_and_relative_to_the_bucket(bucket: Bucket) -> None:
    assert bucket.names() == []
    for name in ("b", "a/2", "a/10", "ab/1"):
        bucket.write(name, b"")
    assert bucket.names() == ["a/10", "a/2", "ab/1", "b"]
    assert bucket.names("a/") == ["a/10", "a/2"]


def test_names_can_leave_out_folders(bucket: Bucket) -> None:
    for name in ("a", "b/c", "b/d/e", "bc"):
        bucket.write(name, b"x")
    assert bucket.names(recursive=False) == ["a", "bc"]
    assert bucket.names("b/", recursive=False) == ["b/c"]
    assert bucket.names("b") == ["b/c", "b/d/e", "bc"]
    assert bucket.names("b/") == ["b/c", "b/d/e"]
    assert bucket.names("none/") == []


def test_a_bucket_does_not_list_a_bucket_whose_name_starts_alike(bucket: Bucket) -> None:
    bucket.write("x", b"")
    open_bucket(f"{bucket.url}-2").write("y", b"")
    assert bucket.names() == ["x"]


def test_one_listing_has_what_stat_tells_of_each_object(bucket: Bucket) -> None:
    for name in ("a", "b/c", "b/d"):
        bucket.write(name, name.encode())
    stats = bucket.stats("b/")
    assert list(stats) == ["b/c", "b/d"]
    for name, found in stats.items():
        alone = bucket.stat(name)
        assert (found.bytes, found.written_seconds, found.crc32c()) == (3, alone.written_seconds, alone.crc32c())
    assert list(bucket.stats(recursive=False)) == ["a"]


def test_the_checksum_is_the_crc32c_of_the_content(bucket: Bucket) -> None:
    bucket.write("x", b"123456789")
    assert bucket.stat("x").crc32c() == "4waSgw=="  # base64 of e3069283, the check value of CRC-32C


def test_an_object_has_the_time_of_its_last_write(bucket: Bucket) -> None:
    before = time.time()
    bucket.write("x", b"")
    assert before - 1 < bucket.stat("x").written_seconds < time.time() + 1


def test_a_missing_object_is_an_error_with_its_url(bucket: Bucket, tmp_path: Path) -> None:
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


def test_an_uploaded_file_is_fetched_unchanged(bucket: Bucket, tmp_path: Path) -> None:
    data = os.urandom(9_000_000)  # above the client's bound for a simple upload
    (tmp_path / "up").write_bytes(data)
    bucket.upload(tmp_path / "up", "deep/er/x")
    assert bucket.fetch("deep/er/x", tmp_path / "scratch").read_bytes() == data
    with local_file(bucket, "deep/er/x", tmp_path) as path:
        assert path.read_bytes() == data
    assert path.exists() == is_local(bucket.url)  # a copy is deleted


def test_an_object_can_be_deleted_twice(bucket: Bucket) -> None:
    bucket.write("x", b"")
    bucket.delete("x")
    bucket.delete("x")
    assert bucket.names() == []


def test_delete_ignores_a_folder_and_a_path_below_an_object(bucket: Bucket) -> None:
    bucket.write("folder/x", b"")
    bucket.delete("folder")
    bucket.delete("folder/x/y")
    assert bucket.names() == ["folder/x"]


def test_move_replaces_the_target_and_deletes_the_source(bucket: Bucket) -> None:
    bucket.write("building/a", b"new")
    bucket.write("b/c", b"old")
    bucket.move("building/a", "b/c")
    assert bucket.names() == ["b/c"]
    assert bucket.read("b/c") == b"new"


def test_a_missing_object_cannot_be_moved(bucket: Bucket) -> None:
    with pytest.raises(FileNotFoundError):
        bucket.move("a", "b")
    assert bucket.names() == []


def test_an_object_can_have_the_longest_name_of_a_file(bucket: Bucket) -> None:
    bucket.write("n" * 255, b"x")
    assert bucket.names() == ["n" * 255]


@pytest.mark.parametrize("name", ["", "/etc/x", "../x", "a/../../x", "a//b", "./x", "x/", ".x.tmp"])
def test_a_name_that_leads_outside_the_bucket_is_refused(bucket: Bucket, name: str) -> None:
    with pytest.raises(ValueError, match="expected a relative path"):
        bucket.write(name, b"")


def test_an_object_that_must_be_absent_is_written_once(bucket: Bucket) -> None:
    bucket.write("x", b"first", if_version=ABSENT)
    with pytest.raises(Conflict, match=f"{bucket.url}/x: expected no object, found version"):
        bucket.write("x", b"second", if_version=ABSENT)
    assert bucket.read("x") == b"first"


def test_a_write_over_an_old_version_changes_nothing(bucket: Bucket) -> None:
    old = bucket.write("x", b"1")
    new = bucket.write("x", b"2", if_version=old)
    with pytest.raises(Conflict):
        bucket.write("x", b"3", if_version=old)
    assert bucket.read_versioned("x") == (b"2", new)
    bucket.delete("x")
    with pytest.raises(Conflict, match="found no object"):
        bucket.write("x", b"4", if_version=new)


@pytest.mark.parametrize("size", [4, 9_000_000])
def test_a_second_write_of_equal_content_is_a_conflict(bucket: Bucket, size: int) -> None:
    bucket.write("x", bytes(size), if_version=ABSENT)
    with pytest.raises(Conflict):
        bucket.write("x", bytes(size), if_version=ABSENT)


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


def test_of_many_threads_that_write_one_large_object_one_wins(bucket: Bucket) -> None:
    def attempt(number: int) -> bool:
        try:
            bucket.write("x", bytes([number]) * 9_000_000, if_version=ABSENT)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(attempt, range(4))).count(True) == 1


def write_once(
    url: str, number: int, barrier: "multiprocessing.synchronize.Barrier", won: "multiprocessing.Queue"
) -> None:
    bucket = open_bucket(url)
    barrier.wait()
    try:
        bucket.write("x", b"%d" % number, if_version=ABSENT)
        won.put(number)
    except Conflict:
        won.put(None)


def test_of_two_processes_that_write_one_object_one_wins(bucket: Bucket) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, won = context.Barrier(2), context.Queue()
    processes = [context.Process(target=write_once, args=(bucket.url, number, barrier, won)) for number in (1, 2)]
    for process in processes:
        process.start()
    found = [won.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    winner = next(number for number in found if number is not None)
    assert found.count(None) == 1
    assert bucket.read("x") == b"%d" % winner


def test_read_only_bucket_reads_and_writes_nothing(tmp_path: Path) -> None:
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


def test_of_two_writers_of_a_versioned_object_the_second_gets_a_conflict() -> None:
    bucket = Memory()
    first, second = VersionedObject(bucket, "name"), VersionedObject(bucket, "name")
    first.write(b"1")
    for _ in range(2):
        with pytest.raises(Conflict):
            second.write(b"2")
    assert bucket.objects == {"name": b"1"}
    assert second.read() == b"1"
    second.write(b"3")
    with pytest.raises(Conflict):
        first.write(b"4")


def write_without_answer() -> tuple[Memory, VersionedObject]:
    """Return an object whose write of b"1" was carried out and yet raised OSError; so do further writes."""
    bucket = Memory()
    bucket.after = no_answer
    versioned = VersionedObject(bucket, "name")
    with pytest.raises(OSError, match="no answer"):
        versioned.write(b"1")
    return bucket, versioned


def test_a_write_after_a_lost_answer_is_no_conflict() -> None:
    bucket, versioned = write_without_answer()
    bucket.after = lambda *_: None
    versioned.write(b"2")
    versioned.write(b"3")
    assert bucket.objects == {"name": b"3"}


def test_a_write_after_a_lost_answer_is_a_conflict_if_another_process_wrote() -> None:
    bucket, versioned = write_without_answer()
    bucket.after = lambda *_: None
    bucket.objects["name"] = b"another process"
    with pytest.raises(Conflict):
        versioned.write(b"2")
    assert bucket.objects == {"name": b"another process"}


def test_of_several_failed_writes_the_one_that_was_carried_out_is_no_conflict() -> None:
    def refuse(verb: str, name: str) -> None:
        if verb == "write":
            raise OSError(f"{name}: the bucket is down")

    bucket, versioned = write_without_answer()
    bucket.before = refuse
    with pytest.raises(OSError, match="down"):
        versioned.write(b"2")
    bucket.before = bucket.after = lambda *_: None
    versioned.write(b"3")
    assert bucket.objects == {"name": b"3"}
