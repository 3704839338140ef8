"""Faults during a dataset build: a kill, a full disk, a store outage, or a second build of one output.

After each fault the output is a complete dataset, or no dataset at all. The next run writes the bytes of an
undisturbed run, and leaves no other files. `make test-all` runs more rounds.
"""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from jobs import preprocess, verify
from preprocessing.dataset import manifest
from preprocessing.dataset.folder import open_dataset
from preprocessing.errors import Conflict
from preprocessing.pipeline.publish import BUILD_FILES, DatasetBuild
from preprocessing.storage.urls import open_bucket
from tests.support.gcs_emulator import FaultyStore, emulator
from tests.support.inputs import json_line, reviews, sets


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write 20,000 short reviews, an invalid line and a duplicate. A build of the file takes two seconds."""
    path = tmp_path_factory.mktemp("source") / "reviews.json"
    path.write_bytes(b"".join([*reviews(20_000), b"bad\n", json_line("Visit 0001: the soup was hot, so good.")]))
    return path


def arguments(source: Path | str, output: Path | str, **changes: object) -> list[str]:
    settings = {"input": source, "output": output, "window_chars": 64, "stride_chars": 4, "shards": 20}
    return sets(**settings | changes)


def started(source: Path | str, output: Path | str, **changes: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "jobs.preprocess", *arguments(source, output, **changes)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def files(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file below a folder, hidden files too, and "/" for each subfolder."""
    paths = sorted(folder.rglob("*"))
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "/"
        for path in paths
    }


@pytest.fixture(scope="module")
def undisturbed(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the SHA-256 of each file that an undisturbed run writes."""
    output = tmp_path_factory.mktemp("undisturbed")
    preprocess.main(arguments(source, output))
    return files(output)


@pytest.fixture(scope="module")
def other(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a dataset with different settings. Tests must not change it."""
    output = tmp_path_factory.mktemp("other")
    preprocess.main(arguments(source, output, stride_chars=8))
    return output


def whole(output: Path) -> bool:
    """Return whether the output is a dataset. Raises InputError if the dataset is incomplete."""
    if not (output / manifest.NAME).exists():
        return False
    verify.verify(open_dataset(str(output)))
    return True


@pytest.mark.parametrize("before", ["nothing", "another dataset"])
def test_killed_at_any_moment_the_output_is_whole_or_none_and_the_next_run_gives_the_same_bytes(
    before: str,
    source: Path,
    other: Path,
    undisturbed: dict[str, str],
    tmp_path: Path,
    rounds: Callable[[int, int], int],
) -> None:
    numbers = random.Random(before)
    began = time.monotonic()
    assert started(source, tmp_path / "timed").wait(120) == 0
    seconds = time.monotonic() - began
    kills = rounds(2, 10)
    for kill in range(kills):
        output = tmp_path / str(kill)
        if before != "nothing":
            shutil.copytree(other, output)
        process = started(source, output)
        # The first part of a run only imports modules, so a kill during that part tests nothing.
        time.sleep(seconds * numbers.uniform(0.3, 1.0))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        assert whole(output) or before == "nothing"
        preprocess.main(arguments(source, output))
        assert files(output) == undisturbed
        shutil.rmtree(output)
        print(f"killed {kill + 1} of {kills}", flush=True)


def test_stopped_by_sigterm_it_leaves_what_was_there_or_all_that_is_new_and_ends_with_143(
    source: Path, other: Path, undisturbed: dict[str, str], tmp_path: Path, rounds: Callable[[int, int], int]
) -> None:
    numbers = random.Random(1)
    for stop in range(rounds(2, 8)):
        output = tmp_path / str(stop)
        shutil.copytree(other, output)
        process = started(source, output)
        while not list(output.glob("building-*")) and process.poll() is None:
            time.sleep(0.01)
        time.sleep(numbers.uniform(0, 1))
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
        assert process.returncode in (143, 0), errors
        assert "Traceback" not in errors
        assert files(output) in (files(other), undisturbed)
        if process.returncode == 0:
            assert files(output) == undisturbed


def test_a_full_disk_is_a_clear_stop_that_leaves_what_was_there(
    source: Path, undisturbed: dict[str, str], small_disk: Callable[[int], Path], rounds: Callable[[int, int], int]
) -> None:
    short = 0
    steps = rounds(4, 16)
    for step in range(steps):
        disk = small_disk(64 + step * 60_000 // steps)
        output = disk / "output"
        with suppress(OSError):
            preprocess.main(arguments(source, output))
        assert files(output) in ({}, undisturbed)
        short += not files(output)
    assert 0 < short < steps


def test_a_full_disk_ends_the_command_with_1_and_a_line_that_says_so(
    source: Path, small_disk: Callable[[int], Path]
) -> None:
    process = started(source, small_disk(500) / "output")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    *log, last = errors.splitlines()
    assert "stopped by a fault of the machine or the network: OSError: [Errno 28] No space left on device" in last
    assert [line for line in log if not line[:2].isdigit()] == []


def copied(url: str, folder: Path) -> dict[str, str]:
    """Copy all objects below a URL into a folder, and return the SHA-256 of each file."""
    bucket = open_bucket(url)
    for name in bucket.names():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bucket.read(name))
    return files(folder)


def test_from_store_to_store_the_bytes_are_those_of_folders_also_over_an_old_output(
    source: Path, store: str, tmp_path: Path
) -> None:
    lines = source.read_bytes().splitlines(keepends=True)
    inputs = open_bucket(f"{store}/in")
    inputs.write("one.jsonl", b"".join(lines[:9_000]))
    inputs.write("two.jsonl", b"".join(lines[9_000:]))
    inputs.write("below/three.jsonl", b"a glob does not reach this\n")
    output = f"{store}/deep/output"
    preprocess.main(arguments(f"{store}/in/*.jsonl", output, stride_chars=8, shards=3))
    preprocess.main(arguments(f"{store}/in/*.jsonl", output, shards=2))
    copied(f"{store}/in", tmp_path / "in")
    preprocess.main(arguments(tmp_path / "in/*.jsonl", tmp_path / "folder", shards=2))
    assert copied(output, tmp_path / "copy") == files(tmp_path / "folder")
    assert open_bucket(f"{store}/in").names() == ["below/three.jsonl", "one.jsonl", "two.jsonl"]


def test_a_source_in_the_store_is_known_without_reading_it(source: Path, store: str) -> None:
    open_bucket(f"{store}/in").upload(source, "reviews.json")
    preprocess.main(arguments(f"{store}/in/reviews.json", f"{store}/output"))
    before = FaultyStore.count
    preprocess.main(arguments(f"{store}/in/reviews.json", f"{store}/output"))
    shards = len(open_dataset(f"{store}/output").manifest.shards)
    # One or two requests for the source, for each shard, for the manifest and for the listing.
    assert FaultyStore.count - before < 2 * shards + 20


@pytest.mark.parametrize("every", [5, 13])
def test_a_store_that_fails_now_and_then_is_asked_again(every: int, source: Path, store: str, tmp_path: Path) -> None:
    open_bucket(f"{store}/in").upload(source, "reviews.json")
    FaultyStore.flaky = every
    preprocess.main(arguments(f"{store}/in/reviews.json", f"{store}/output", shards=2))
    FaultyStore.flaky = 0
    preprocess.main(arguments(source, tmp_path / "folder", shards=2))
    assert copied(f"{store}/output", tmp_path / "copy") == files(tmp_path / "folder")


def test_a_store_that_is_out_for_a_while_is_waited_for(source: Path, store: str, tmp_path: Path) -> None:
    open_bucket(f"{store}/in").upload(source, "reviews.json")

    def outage() -> None:
        end = time.monotonic() + 60
        while not open_bucket(f"{store}/output").names("building-") and time.monotonic() < end:
            time.sleep(0.01)
        FaultyStore.outage = 4

    thread = threading.Thread(target=outage)
    thread.start()
    preprocess.main(arguments(f"{store}/in/reviews.json", f"{store}/output", shards=2))
    thread.join()
    assert FaultyStore.outage == 0
    preprocess.main(arguments(source, tmp_path / "folder", shards=2))
    assert copied(f"{store}/output", tmp_path / "copy") == files(tmp_path / "folder")


@pytest.mark.parametrize("same", [True, False], ids=["same settings", "other settings"])
def test_of_two_runs_into_one_output_at_once_one_set_of_bytes_is_left(
    same: bool,
    source: Path,
    other: Path,
    undisturbed: dict[str, str],
    tmp_path: Path,
    rounds: Callable[[int, int], int],
) -> None:
    numbers = random.Random(same)
    for number in range(rounds(2, 8)):
        output = tmp_path / str(number)
        processes = [started(source, output)]
        time.sleep(numbers.uniform(0, 0.5))
        processes.append(started(source, output) if same else started(source, output, stride_chars=8))
        errors = [process.communicate(timeout=120)[1] for process in processes]
        codes = [process.returncode for process in processes]
        if same:
            assert codes == [0, 0], errors
            assert files(output) == undisturbed
        else:
            # Both succeed if the second run starts after the first run ends.
            assert sorted(codes) in ([0, 0], [0, 1]), errors
            found = files(output)
            expected = undisturbed if undisturbed.keys() & found.keys() - {manifest.NAME, "rejected"} else files(other)
            assert found == expected
        shutil.rmtree(output)


def test_what_a_run_killed_after_it_was_published_left_goes_with_the_next_run(
    source: Path, undisturbed: dict[str, str], other: Path, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    shutil.copytree(other, output)
    (output / f"building-{'0' * 32}").mkdir()
    (output / f"building-{'0' * 32}" / "started").touch()
    old = [path for path in output.rglob("*") if path.is_file() and path.name != manifest.NAME]
    preprocess.main(arguments(source, tmp_path / "new"))
    shutil.copytree(tmp_path / "new", output, dirs_exist_ok=True)
    past = (output / manifest.NAME).stat().st_mtime - 1
    for path in old:
        os.utime(path, (past, past))
    at_work = output / f"building-{'1' * 32}" / "started"
    at_work.parent.mkdir()
    at_work.touch()
    preprocess.main(arguments(source, output))
    at_work.unlink()
    at_work.parent.rmdir()
    assert files(output) == undisturbed


def test_a_sweep_spares_what_was_published_since(other: Path, source: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    shutil.copytree(other, output)
    late = DatasetBuild(open_bucket(str(output)), open_dataset(str(other)).manifest.fingerprint)
    assert late.is_done()
    preprocess.main(arguments(source, output))
    late.sweep()
    assert whole(output)


def test_a_build_that_was_overtaken_changes_nothing(source: Path, other: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    shutil.copytree(other, output)
    late = DatasetBuild(open_bucket(str(output)), "f" * 64)
    late.open()
    (output / late.url.rpartition("/")[2] / "shard").write_bytes(b"x")
    (output / manifest.NAME).unlink()
    preprocess.main(arguments(source, output))
    after = files(output)
    mine = open_dataset(str(other)).manifest
    with pytest.raises((Conflict, OSError)):
        late.publish(mine, [])
    late.clear()
    assert files(output) == after
    assert late.was_overtaken()


def test_a_shard_that_the_store_does_not_hold_is_not_published(other: Path, tmp_path: Path) -> None:
    dataset = open_dataset(str(other)).manifest
    output = tmp_path / "output"
    build = DatasetBuild(open_bucket(str(output)), dataset.fingerprint)
    build.open()
    moves = []
    for shard in dataset.shards:
        shutil.copy(other / shard.name, Path(build.url) / shard.name)
        moves.append({"file": shard.name, "name": shard.name})
    damaged = Path(build.url) / dataset.shards[3].name
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\x00")
    with pytest.raises(OSError, match="damaged: not the bytes that were written"):
        build.publish(dataset, moves)
    assert not (output / manifest.NAME).exists()


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("train-00000-of-00001-0badf00d.tfrecord", True),
        ("rejected/0badf00d-000-00000-00000.jsonl", True),
        (f"building-{'0' * 32}/{'1' * 32}", True),
        (f"building-{'0' * 32}/started", True),
        ("manifest.json", False),
        ("train-0.tfrecord", False),
        ("building-1/started", False),
        (f"mine/building-{'0' * 32}/started", False),
        ("rejected/mine.jsonl", False),
    ],
)
def test_only_what_a_build_wrote_may_be_deleted(name: str, ours: bool) -> None:
    assert bool(BUILD_FILES.fullmatch(name)) == ours


@pytest.mark.slow  # retries a dead store for four minutes
def test_a_store_that_stays_down_is_a_clear_stop(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with emulator(bucket="reviews") as url:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        open_bucket("gs://reviews/in").upload(source, "reviews.json")
        process = started("gs://reviews/in/reviews.json", "gs://reviews/output", shards=2)
        while not open_bucket("gs://reviews/output").names() and process.poll() is None:
            time.sleep(0.01)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 1
    assert "stopped by a fault of the machine or the network: " in errors.splitlines()[-1]
