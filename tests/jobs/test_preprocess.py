"""The preprocess command: on good input, on bad input, and with existing files in its output folder."""

import gzip
import hashlib
import json
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from jobs import preprocess
from preprocessing.dataset import manifest, records
from preprocessing.dataset.folder import open_dataset
from preprocessing.dataset.manifest import Manifest
from preprocessing.dataset.vocabulary import SEED
from preprocessing.errors import InputError
from tests.support.inputs import gzipped, json_line, kaggle_zip, reviews, sets, zipped

SMALL = {"window_chars": 8, "stride_chars": 8, "validation_fraction": 0.2, "test_fraction": 0.2, "shards": 2}

GOOD = reviews(60)
MIXED = [
    *GOOD[:30],
    b"not JSON\n",  # line 31
    b"\n",
    b'["a list"]\n',
    b'{"review_id": "x"}\n',
    json_line("寿司", review_id="sushi"),  # line 35
    b'{"text": ""}\n',
    b'{"text": 5}\n',
    b'{"text": "\\ud83d"}\n',
    b'{"text": "caf\xe9"}\n',
    b'{"text": "' + b"x" * 1_000_000 + b'"}\n',
    json_line("  VISIT 0003: the soup was hot,  so good. ", review_id="again"),
    json_line("Visit {0099}: café!", review_id="dropped"),
    *GOOD[30:],
]


def arguments(source: Path | str, output: Path | str, **changes: object) -> list[str]:
    return sets(**{"input": source, "output": output} | SMALL | changes)


def run(source: Path | str, output: Path, **changes: object) -> Manifest:
    preprocess.main(arguments(source, output, **changes))
    return read(output)


def read(output: Path) -> Manifest:
    return manifest.parse_manifest((output / manifest.NAME).read_bytes(), where="manifest")


def error(source: Path | str, output: Path, **changes: object) -> str:
    with pytest.raises(InputError) as raised:
        preprocess.main(arguments(source, output, **changes))
    return str(raised.value)


def write(path: Path, data: bytes | list[bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else b"".join(data))
    return path


def files(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file below a folder, hidden files too."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def rejected(output: Path) -> list[tuple[str, int, str]]:
    """Return (source, line number, reason) of each rejected line, in the order of the files."""
    lines = [line for path in sorted((output / "rejected").glob("*")) for line in path.read_text().splitlines()]
    return [(row["source"], row["line"], row["reason"]) for row in map(json.loads, lines)]


def shards(dataset: Manifest) -> list[tuple[str, int, int, str]]:
    """Return (split, number, records, SHA-256) of each shard.

    These values must not depend on the run. The tag in the name is left out: it is the start of the fingerprint.
    """
    return [(s.split, int(s.name.split("-")[1]), s.records, s.sha256) for s in dataset.shards]


def texts(output: Path) -> list[str]:
    """Return the text of each shard, joined from its consecutive windows. Texts are sorted."""
    dataset = read(output)
    found = []
    for shard in dataset.shards:
        data = np.frombuffer((output / shard.name).read_bytes(), np.uint8).reshape(-1, dataset.record_bytes)
        rows = records.payload(data, dataset.id_dtype(), dataset.window_chars + 1)
        assert (rows[1:, 0] == rows[:-1, -1]).all()
        found.append(dataset.symbols().decode(np.concatenate([rows[0, :1], rows[:, 1:].ravel()])))
    return sorted(found)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a dataset of 60 reviews beside its source file. Tests must not change it."""
    folder = tmp_path_factory.mktemp("good")
    run(write(folder / "reviews.json", GOOD), folder / "dataset")
    return folder


@pytest.fixture
def existing(good: Path, tmp_path: Path) -> Path:
    """Copy the good dataset, for tests that change a dataset."""
    return Path(shutil.copytree(good, tmp_path / "existing")) / "dataset"


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a dataset of 61 reviews from 72 lines. Tests must not change it."""
    folder = tmp_path_factory.mktemp("mixed")
    run(write(folder / "reviews.json", MIXED), folder / "dataset")
    return folder / "dataset"


def test_a_dataset_is_its_shards_its_manifest_and_no_more(good: Path) -> None:
    dataset = read(good / "dataset")
    assert set(files(good / "dataset")) == {manifest.NAME, *(shard.name for shard in dataset.shards)}
    assert {(shard.split, int(shard.name.split("-")[1])) for shard in dataset.shards} == {
        (split, number) for split in manifest.SPLITS for number in (0, 1)
    }


def test_the_shards_hold_the_reviews_in_braces_and_in_lower_case(good: Path) -> None:
    expected = {f"visit {n:04}: the soup was hot, so good." for n in range(60)}
    found = []
    for text in texts(good / "dataset"):
        assert text.startswith("{")
        *whole, last = text[1:].split("}{")
        found += whole if not text.endswith("}") else [*whole, last[:-1]]
    assert len(found) >= 60 - 6  # the last review of a shard may be cut
    assert len(set(found)) == len(found)
    assert set(found) <= expected


def test_the_manifest_describes_the_shards(good: Path) -> None:
    dataset = read(good / "dataset")
    assert (dataset.window_chars, dataset.stride_chars, dataset.dtype) == (8, 8, "uint8")
    assert dataset.vocabulary == SEED.symbols
    assert dataset.record_bytes == records.record_bytes(9)
    on_disk = files(good / "dataset")
    for shard in dataset.shards:
        assert on_disk[shard.name] == shard.sha256
        assert (good / "dataset" / shard.name).stat().st_size == shard.bytes == shard.records * dataset.record_bytes


def test_the_splits_add_up_to_what_was_kept(good: Path) -> None:
    dataset = read(good / "dataset")
    splits = dataset.splits
    assert sum(split["reviews"] for split in splits.values()) == dataset.counts["kept"] == 60
    for name, split in splits.items():
        own = dataset.shards_of(name)
        assert split["characters"] == split["reviews"] * 40  # 38 characters and two braces
        assert split["windows"] == sum(shard.records for shard in own)
        # A shard of n consecutive windows covers n * 8 + 1 characters.
        assert split["characters"] == split["windows"] * 8 + len(own) + split["tail"]


def test_the_source_is_named_but_not_where_it_was(good: Path) -> None:
    (source,) = read(good / "dataset").sources
    assert source["name"] == "reviews.json"
    assert source["bytes"] == sum(map(len, GOOD))
    assert str(good) not in (good / "dataset" / manifest.NAME).read_text()


def test_each_line_read_is_accounted_for(mixed: Path) -> None:
    counts = read(mixed).counts
    assert counts["read"] == 72
    assert counts["kept"] == 61
    assert counts["duplicate"] == 1
    assert counts["rejected"] == {
        "no symbol of the vocabulary": 1,
        "no text": 1,
        "not JSON": 2,
        "not UTF-8": 1,
        "not a JSON object": 1,
        "over 1000000 bytes": 1,
        "text has a lone surrogate": 1,
        "text is empty": 1,
        "text is not a string": 1,
    }
    assert counts["dropped"] == {"寿": 1, "司": 1, "{": 1, "}": 1, "é": 1}


def test_each_rejected_line_stands_once_with_its_number_and_reason(mixed: Path) -> None:
    found = rejected(mixed)
    (copy,) = [row for row in found if row[1] in (4, 41)]  # a hash decides which of the two duplicates stays
    assert copy[2] == f"same text as reviews.json line {45 - copy[1]}"
    assert [row for row in found if row != copy] == [
        ("reviews.json", 31, "not JSON"),
        ("reviews.json", 32, "not JSON"),
        ("reviews.json", 33, "not a JSON object"),
        ("reviews.json", 34, "no text"),
        ("reviews.json", 35, "no symbol of the vocabulary"),  # rejected last, by its shard, but listed in line order
        ("reviews.json", 36, "text is empty"),
        ("reviews.json", 37, "text is not a string"),
        ("reviews.json", 38, "text has a lone surrogate"),
        ("reviews.json", 39, "not UTF-8"),
        ("reviews.json", 40, "over 1000000 bytes"),
    ]


def test_two_runs_write_the_same_bytes(good: Path, tmp_path: Path) -> None:
    run(good / "reviews.json", tmp_path / "again")
    assert files(tmp_path / "again") == files(good / "dataset")


def test_the_order_of_lines_changes_no_shard(mixed: Path, tmp_path: Path) -> None:
    shuffled = random.Random(3).sample(MIXED, len(MIXED))
    dataset = run(write(tmp_path / "shuffled.json", shuffled), tmp_path / "out")
    assert shards(dataset) == shards(read(mixed))
    assert dataset.counts == read(mixed).counts
    assert dataset.splits == read(mixed).splits
    assert len(rejected(tmp_path / "out")) == len(rejected(mixed)) == 11


def test_one_file_or_many_make_the_same_shards(mixed: Path, tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.jsonl", MIXED[50:])
    write(tmp_path / "in" / "b.jsonl.gz", gzipped(b"".join(MIXED[:20])))
    write(tmp_path / "in" / "c.zip", kaggle_zip(b"".join(MIXED[20:50])))
    write(tmp_path / "in" / "below" / "d.jsonl", b"a glob does not reach this\n")
    dataset = run(f"{tmp_path}/in/*[a-z]", tmp_path / "out")
    assert [source["name"] for source in dataset.sources] == ["a.jsonl", "b.jsonl.gz", "c.zip"]
    assert shards(dataset) == shards(read(mixed))
    assert ("c.zip", 11, "not JSON") in rejected(tmp_path / "out")


def test_the_formats_make_the_same_shards(good: Path, tmp_path: Path) -> None:
    for name, data in {"y.zip": kaggle_zip(b"".join(GOOD)), "r.json.gz": gzipped(b"".join(GOOD))}.items():
        assert shards(run(write(tmp_path / name, data), tmp_path / f"{name} out")) == shards(read(good / "dataset"))


def test_columns_of_other_names_are_part_of_the_recipe(good: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in GOOD]
    table = "key\tbody\n" + "".join(f"{row['review_id']}\t{row['text']}\n" for row in rows)
    source = write(tmp_path / "r.tsv", table.encode())
    dataset = run(source, tmp_path / "out", text_column="body", id_column="key")
    assert dataset.settings["text_column"] == "body"
    assert dataset.counts["kept"] == read(good / "dataset").counts["kept"]
    assert {shard.sha256 for shard in dataset.shards} == {shard.sha256 for shard in read(good / "dataset").shards}
    assert "text_column" not in read(good / "dataset").settings  # the fingerprint of earlier versions
    assert error(source, tmp_path / "wrong").startswith("r.tsv: line 1: expected a header with a column named text")


def test_text_in_braces_is_a_source(tmp_path: Path) -> None:
    source = write(tmp_path / "r.txt", "".join(f"{{Visit {n}: hot soup.}}" for n in range(60)).encode())
    assert run(source, tmp_path / "out").counts["kept"] == 60


def test_a_second_run_has_nothing_to_do(existing: Path) -> None:
    shard = existing / read(existing).shards[0].name
    before = shard.stat()
    source = existing.parent / "reviews.json"
    run(source, existing)
    after = shard.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_changed_setting_replaces_the_dataset_and_leaves_nothing_of_the_old(existing: Path) -> None:
    old = read(existing)
    new = run(existing.parent / "reviews.json", existing, stride_chars=4)
    assert new.fingerprint != old.fingerprint
    assert set(files(existing)) == {manifest.NAME, *(shard.name for shard in new.shards)}
    assert not {shard.name for shard in old.shards} & {shard.name for shard in new.shards}


def test_a_changed_source_replaces_the_dataset(existing: Path) -> None:
    run(write(existing.parent / "reviews.json", MIXED), existing)
    assert read(existing).counts["kept"] == 61
    assert rejected(existing)
    run(write(existing.parent / "reviews.json", GOOD), existing)
    assert read(existing).counts["kept"] == 60
    assert rejected(existing) == []


@pytest.mark.parametrize("damage", ["absent", "short"])
def test_a_dataset_that_is_not_whole_is_written_again(damage: str, good: Path, existing: Path) -> None:
    shard = existing / read(existing).shards[0].name
    if damage == "absent":
        shard.unlink()
    else:
        shard.write_bytes(shard.read_bytes()[:-1])
    run(existing.parent / "reviews.json", existing)
    assert files(existing) == files(good / "dataset")


@pytest.mark.parametrize("reviews", ["more", "gone", "the same"])
def test_a_dataset_that_is_not_to_be_replaced_is_kept_whatever_its_reviews_are_by_now(
    reviews: str, existing: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    source, before = existing.parent / "reviews.json", files(existing)
    if reviews == "more":
        source.write_bytes(source.read_bytes() + json_line("One more.", review_id="more"))
    elif reviews == "gone":
        source.unlink()
    run(source, existing, replace="false")
    assert files(existing) == before
    said = {"more": "reviews.json has changed", "gone": "no such file", "the same": "are the same"}[reviews]
    assert "kept, as replace=false; " in caplog.text
    assert said in caplog.text


def test_a_dataset_that_is_not_to_be_replaced_but_not_whole_is_written_again(good: Path, existing: Path) -> None:
    (existing / read(existing).shards[0].name).unlink()
    run(existing.parent / "reviews.json", existing, replace="false")
    assert files(existing) == files(good / "dataset")


@pytest.mark.parametrize("content", [b"", b"{", b'{"format": 99}', b'{"name": "my web application"}'])
def test_a_manifest_that_is_not_ours_is_not_replaced(content: bytes, existing: Path) -> None:
    (existing / manifest.NAME).write_bytes(content)
    before = files(existing)
    wrong = error(existing.parent / "reviews.json", existing)
    assert wrong.startswith(f"output={existing}: manifest.json: ")
    assert wrong.endswith("; remove it, or choose another folder")
    assert files(existing) == before


def test_what_a_killed_run_left_is_swept_away(good: Path, existing: Path) -> None:
    write(existing / "train-00000-of-00002-0badf00d.tfrecord", b"whole")
    write(existing / "rejected" / "0badf00d-000-00000-00000.jsonl", b"{}\n")
    write(existing / f"building-{'0' * 32}" / "started", b"")
    write(existing / f"building-{'0' * 32}" / f"{'1' * 32}", b"half a shard")
    (existing / manifest.NAME).unlink()
    run(existing.parent / "reviews.json", existing)
    assert files(existing) == files(good / "dataset")


USERS_FILES = [
    "notes.txt",
    "summary-2024.md",
    "building",
    "building-mine/shard",
    "train-mine.tfrecord",
    "rejected/why.txt",
    "download.partial",
    "old/manifest.json",
    "old/train-00000-of-00001-0badf00d.tfrecord",
]


def test_a_users_own_files_survive(existing: Path) -> None:
    for name in USERS_FILES:
        write(existing / name, b"mine")
    run(existing.parent / "reviews.json", existing, stride_chars=4)
    error(write(existing.parent / "bad.json", b"bad\n"), existing)
    assert [(existing / name).read_bytes() for name in USERS_FILES] == [b"mine"] * len(USERS_FILES)


def test_auto_takes_the_symbols_of_the_data(tmp_path: Path) -> None:
    dataset = run(write(tmp_path / "r.json", MIXED), tmp_path / "out", vocabulary="auto", lowercase="false")
    assert dataset.vocabulary == "".join(sorted(set("Visit 0123456789: the soup was hot, so good.{}VISITcafé!寿司")))
    assert dataset.counts["dropped"] == {"{": 1, "}": 1}
    assert dataset.counts["kept"] == 62


def test_auto_makes_symbols_of_two_bytes_where_one_is_not_enough(tmp_path: Path) -> None:
    letters = "".join(chr(0x4E00 + k) for k in range(300))
    lines = [json_line(letters[k:] + letters[:k], review_id=str(k)) for k in range(40)]
    dataset = run(write(tmp_path / "r.json", lines), tmp_path / "out", vocabulary="auto")
    assert (dataset.dtype, len(dataset.vocabulary)) == ("uint16", 302)
    assert dataset.record_bytes == records.record_bytes(18)
    assert all(len(text) > 300 and set(text) == set(letters + "{}") for text in texts(tmp_path / "out"))


def test_a_table_is_a_vocabulary(tmp_path: Path) -> None:
    symbols = "{}visthepouwag "
    table = write(tmp_path / "table.json", json.dumps({s: k for k, s in enumerate(symbols)}).encode())
    dataset = run(write(tmp_path / "r.json", GOOD), tmp_path / "out", vocabulary=table)
    assert dataset.vocabulary == symbols
    assert dataset.counts["dropped"][":"] == 60
    assert dataset.counts["dropped"]["d"] == 60


def test_the_vocabulary_and_not_the_tables_place_makes_the_dataset(tmp_path: Path) -> None:
    source = write(tmp_path / "r.json", GOOD)
    table = write(tmp_path / "table.json", json.dumps({s: k for k, s in enumerate(SEED.symbols)}).encode())
    assert run(source, tmp_path / "one", vocabulary=table) == run(source, tmp_path / "two", vocabulary="seed")


def test_without_a_test_fraction_there_is_no_test_split(tmp_path: Path) -> None:
    dataset = run(write(tmp_path / "r.json", GOOD), tmp_path / "out", test_fraction=0)
    assert dataset.shards_of("test") == ()
    assert dataset.splits["test"] == {"reviews": 0, "characters": 0, "tail": 0, "windows": 0}


def nothing_is_there(output: Path) -> bool:
    return files(output) == {}


# File name -> content and start of the error message. {source} stands for the path of the file.
BAD_SOURCES: dict[str, tuple[bytes | None, str]] = {
    "absent.json": (None, "input={source}: no such file"),
    "empty.json": (b"", "input={source}: empty.json is empty"),
    "reviews.xls": (b"a\tb\n", "reviews.xls: unknown format '.xls', expected .json"),
    "columns.csv": (b"a,b\n", "columns.csv: line 1: expected a header with a column named text, found ['a', 'b']"),
    "noSuffix": (b"a,b\n", "noSuffix: no suffix, expected .json"),
    "text.zip": (b"not a zip", "text.zip: damaged or truncated, expected a whole zip file"),
    "cut.zip": (kaggle_zip(b"".join(GOOD))[:-30], "cut.zip: damaged or truncated, expected a whole zip file"),
    "other.zip": (zipped({"x/user.json": b"{}"}), "other.zip: expected one member named *review.json, found x/user"),
    "up.zip": (zipped({"../review.json": b"{}"}), "up.zip: member '../review.json' points outside the archive"),
    "root.zip": (zipped({"/etc/review.json": b"{}"}), "root.zip: member '/etc/review.json' points outside the archive"),
    "cut.json.gz": (gzipped(b"".join(GOOD))[:-40], "cut.json.gz: damaged or truncated, expected a whole gz file"),
    "text.json.gz": (b"not gzip", "text.json.gz: damaged or truncated, expected a whole gz file"),
    "bad.json": (b"bad\n\n", "{source.name}: 2 of its 2 lines are no reviews; line 1: not JSON"),
    "sushi.json": (
        json_line("寿司"),
        "{source.name}: 1 of its 1 lines are no reviews; line 1: no symbol of the vocabulary",
    ),
    "blank.txt": (b" \n", "{source.name}: no lines"),
    "loose.txt": (b"no braces", "loose.txt: expected {{review}}{{review}}, found 'n' at its start"),
    "few.json": (b"".join(reviews(1)), "{source.name}: the "),
}


@pytest.mark.parametrize("name", BAD_SOURCES)
def test_a_bad_source_is_an_error_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    content, expected = BAD_SOURCES[name]
    source = tmp_path / name
    if content is not None:
        write(source, content)
    wrong = error(source, tmp_path / "out")
    assert wrong.startswith(expected.format(source=source))
    assert "\n" not in wrong
    assert nothing_is_there(tmp_path / "out")


@pytest.mark.parametrize("name", ["cut.json.gz", "bad.json", "few.json"])
def test_a_run_that_fails_leaves_the_dataset_that_was_there(name: str, good: Path, existing: Path) -> None:
    content, _ = BAD_SOURCES[name]
    assert content
    error(write(existing.parent / name, content), existing)
    assert files(existing) == files(good / "dataset")
    open_dataset(str(existing))


def test_a_damaged_file_among_good_ones_is_an_error_that_names_it(tmp_path: Path) -> None:
    write(tmp_path / "a.json.gz", gzipped(b"".join(GOOD)))
    write(tmp_path / "b.json.gz", gzipped(b"".join(reviews(60, first=100)))[:-9])
    assert error(f"{tmp_path}/*.gz", tmp_path / "out").startswith("b.json.gz: damaged or truncated")
    assert nothing_is_there(tmp_path / "out")


def test_a_split_that_is_too_short_says_how_short(good: Path, tmp_path: Path) -> None:
    source = good / "reviews.json"
    characters = read(good / "dataset").splits["test"]["characters"]
    wrong = error(source, tmp_path / "out", window_chars=characters, stride_chars=8, shards=1)
    assert "split has" in wrong
    assert f"characters in {characters // 40} reviews, expected at least window_chars + 1 = {characters + 1} " in wrong
    assert nothing_is_there(tmp_path / "out")


@pytest.mark.parametrize("source", ["*.json", "below/*.json"])
def test_a_glob_that_matches_nothing_is_an_error(source: str, tmp_path: Path) -> None:
    write(tmp_path / "deep" / "er" / "r.json", GOOD)
    assert error(f"{tmp_path}/{source}", tmp_path / "out") == f"input={tmp_path}/{source}: no file matches"


def test_a_folder_is_no_source(tmp_path: Path) -> None:
    write(tmp_path / "in" / "r.json", GOOD)
    assert error(f"{tmp_path}/in/", tmp_path / "out") == f"{tmp_path}/in/: a folder, expected a file"
    assert error(tmp_path / "in", tmp_path / "out") == f"{tmp_path}/in: cannot be read: Is a directory"


def test_a_glob_does_not_read_what_the_last_run_rejected(tmp_path: Path) -> None:
    write(tmp_path / "r.jsonl", MIXED)
    first = run(f"{tmp_path}/*.jsonl", tmp_path / "out")
    assert rejected(tmp_path / "out")
    assert run(f"{tmp_path}/*.jsonl", tmp_path / "out") == first


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (None, "vocabulary={table}: no such file; expected seed, auto or a table"),
        (b'{"{": 0, "}": 1, "a": 1}', "{table}: id 1 is repeated, for '}}' and 'a'"),
        (b'{"{": 0, "}": 1, "a": 3}', "{table}: symbol 'a' has id 3, expected 0 to 2"),
        (b"seed", "{table}: not a JSON table of symbols"),
    ],
)
def test_a_bad_table_is_an_error_before_anything_is_read(table: bytes | None, expected: str, tmp_path: Path) -> None:
    place = tmp_path / "table.json"
    if table is not None:
        write(place, table)
    wrong = error(tmp_path / "absent.json", tmp_path / "out", vocabulary=place)
    assert wrong.startswith(expected.format(table=place))
    assert nothing_is_there(tmp_path / "out")


def test_a_folder_is_no_table(good: Path, tmp_path: Path) -> None:
    wrong = error(good / "reviews.json", tmp_path / "out", vocabulary=f"{tmp_path}/")
    assert wrong == f"{tmp_path}/: a folder, expected a file"


def test_a_stride_that_would_skip_characters_is_an_error(good: Path, tmp_path: Path) -> None:
    wrong = error(good / "reviews.json", tmp_path / "out", stride_chars=9)
    assert wrong.startswith("stride_chars=9: expected at most window_chars=8")


@pytest.mark.parametrize("output", ["file", "file/below"])
def test_an_output_that_cannot_be_written_is_an_error(output: str, good: Path, tmp_path: Path) -> None:
    write(tmp_path / "file", b"in the way")
    wrong = error(good / "reviews.json", tmp_path / output)
    assert wrong.startswith(f"{tmp_path}/{output}/")
    assert "cannot be written" in wrong
    assert (tmp_path / "file").read_bytes() == b"in the way"


def test_an_option_that_nobody_knows_is_an_error(good: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^unknown option --window_chars: expected --set key=value or an option"):
        preprocess.main([*arguments(good / "reviews.json", tmp_path / "out"), "--window_chars=16"])
    assert nothing_is_there(tmp_path / "out")


def test_an_option_of_beams_is_passed_on(good: Path, tmp_path: Path) -> None:
    preprocess.main([*arguments(good / "reviews.json", tmp_path / "out"), "--direct_num_workers=2"])
    assert files(tmp_path / "out") == files(good / "dataset")


def test_a_dataset_is_opened_with_its_shards_as_local_files(good: Path, tmp_path: Path) -> None:
    dataset = open_dataset(str(good / "dataset"))
    paths = [dataset.fetch(shard, tmp_path) for shard in dataset.shards("train")]
    assert [path.name for path in paths] == [shard.name for shard in dataset.manifest.shards_of("train")]
    assert [path.stat().st_size for path in paths] == [shard.bytes for shard in dataset.manifest.shards_of("train")]


def open_error(dataset: Path) -> str:
    """Return the error of opening a dataset or of fetching its training shards."""

    def take() -> None:
        opened = open_dataset(str(dataset))
        for shard in opened.shards("train"):
            opened.fetch(shard, dataset / "scratch")

    with pytest.raises(InputError) as raised:
        take()
    return str(raised.value)


def first_shard(dataset: Path) -> Path:
    return dataset / read(dataset).shards_of("train")[0].name


def test_a_folder_without_a_manifest_is_no_dataset(existing: Path) -> None:
    (existing / manifest.NAME).unlink()
    assert open_error(existing) == (
        f"dataset={existing}: no manifest.json: not a dataset, or one that was not finished: "
        "make one with python -m jobs.preprocess"
    )


def test_a_folder_that_is_not_there_is_no_dataset(tmp_path: Path) -> None:
    assert open_error(tmp_path / "no").startswith(f"dataset={tmp_path}/no: no manifest.json")


def test_a_manifest_of_a_newer_format_is_an_error(existing: Path) -> None:
    (existing / manifest.NAME).write_bytes(b'{"format": 2}')
    expected = "not a dataset's manifest: format 2, expected at most 1: written by a newer version"
    assert open_error(existing) == f"{existing}/manifest.json: {expected}"


def append(data: bytes) -> bytes:
    return data + b"\0"


def change(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda data: data[:-1], "the shard is cut or altered"),
        (lambda _: b"", "the shard is cut or altered"),
        (append, "the shard is cut or altered"),
        (change, "the shard is altered"),
    ],
    ids=["short", "empty", "long", "altered"],
)
def test_a_damaged_shard_is_an_error_that_names_it(
    damage: Callable[[bytes], bytes], expected: str, existing: Path
) -> None:
    shard = first_shard(existing)
    shard.write_bytes(damage(shard.read_bytes()))
    wrong = open_error(existing)
    assert wrong.startswith(f"{shard}: ")
    assert wrong.endswith(expected)


@pytest.mark.parametrize("split", manifest.SPLITS)
def test_a_missing_shard_is_an_error_that_names_it_at_once(split: str, existing: Path) -> None:
    shard = existing / read(existing).shards_of(split)[0].name
    shard.unlink()
    with pytest.raises(InputError) as raised:
        open_dataset(str(existing))
    assert str(raised.value) == f"{shard}: missing, but named in manifest.json"


def test_a_split_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    run(write(tmp_path / "r.json", GOOD), tmp_path / "out", test_fraction=0)
    with pytest.raises(InputError, match=r"out: no test split$"):
        open_dataset(str(tmp_path / "out")).shards("test")


def command(*arguments: str) -> tuple[int, str, list[str]]:
    """Exit code, standard output and the lines on standard error of the command as users start it."""
    ended = subprocess.run(
        [sys.executable, "-m", "jobs.preprocess", *arguments], capture_output=True, text=True, check=False, timeout=120
    )
    return ended.returncode, ended.stdout, ended.stderr.splitlines()


def test_the_command_ends_in_0_and_says_what_became_of_each_line(mixed: Path, tmp_path: Path) -> None:
    code, out, lines = command(*arguments(mixed.parent / "reviews.json", tmp_path / "out"))
    assert code == 0, lines
    assert out == ""
    assert any("72 lines read = 61 reviews kept + 1 duplicate + 10 rejected; 5 characters dropped" in x for x in lines)
    assert shards(read(tmp_path / "out")) == shards(read(mixed))


def test_a_mistake_found_before_the_start_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    code, out, lines = command(*arguments(tmp_path / "absent.json", tmp_path / "out"))
    assert (code, out) == (2, "")
    assert lines == [f"preprocess: input={tmp_path}/absent.json: no such file"]


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        (
            ["--set", "window_char=8"],
            "preprocess: --set: unknown key window_char=8; the nearest known key is window_chars",
        ),
        (["--set"], "preprocess: argument --set: expected one argument (see --help)"),
    ],
)
def test_a_mistake_in_the_arguments_is_one_line_and_exit_code_2(extra: list[str], expected: str) -> None:
    assert command(*arguments("in.json", "out"), *extra) == (2, "", [expected])


def test_a_mistake_found_on_the_way_is_the_last_line_and_exit_code_2(tmp_path: Path) -> None:
    source = write(tmp_path / "cut.json.gz", BAD_SOURCES["cut.json.gz"][0] or b"")
    code, out, lines = command(*arguments(source, tmp_path / "out"))
    assert (code, out) == (2, "")
    # All lines before the error are log lines, which start with the time. There is no traceback.
    assert [line.startswith("preprocess: ") for line in lines] == [False] * (len(lines) - 1) + [True]
    assert all(line[:2].isdigit() and line[2] == ":" for line in lines[:-1])
    assert lines[-1].startswith("preprocess: cut.json.gz: damaged or truncated")


def test_help_lists_the_keys(tmp_path: Path) -> None:
    code, out, lines = command("--help")
    assert (code, lines) == (0, [])
    assert "  window_chars             integer >= 2 <= 65536" in out
    assert "python -m jobs.preprocess --set input=URL --set output=URL" in out
    assert nothing_is_there(tmp_path)


def test_the_seeds_corpus_is_read_at_the_seeds_stride(shared: Path, tmp_path: Path) -> None:
    dataset = run(shared / "yelp_100_3.txt", tmp_path / "out", window_chars=128, stride_chars=3, shards=1)
    assert dataset.counts["read"] == 100
    assert dataset.counts["kept"] + dataset.counts["duplicate"] == 100
    for split in dataset.splits.values():
        assert split["windows"] == (split["characters"] - 129) // 3 + 1
        assert split["tail"] == (split["characters"] - 129) % 3


def test_real_reviews_are_read(shared: Path, tmp_path: Path) -> None:
    with gzip.open(shared / "kaggle_format_yelp10k.jsonl.gz") as stream:
        lines = [next(stream) for _ in range(1000)]
    dataset = run(write(tmp_path / "r.jsonl", lines), tmp_path / "out", window_chars=256, stride_chars=256)
    counts = dataset.counts
    assert counts["read"] == 1000
    assert counts["kept"] + counts["duplicate"] + sum(counts["rejected"].values()) == 1000
    assert counts["kept"] > 950
    assert len(rejected(tmp_path / "out")) == 1000 - counts["kept"]
    characters = sum(split["characters"] for split in dataset.splits.values())
    assert sum(counts["dropped"].values()) < characters / 1000


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--runner=Nope"], "Nope"),
        (["--no_wait_until_finish"], "--no_wait_until_finish: not supported: the command must wait"),
        (
            ["--runner=DataflowRunner", "--template_location=gs://b/t"],
            "--template_location: not supported: the command must wait",
        ),
        (["--runner=DataflowRunner"], "/out/building-"),
        (["--direct_num_workers=many"], "--direct_num_workers"),
    ],
)
def test_an_option_that_would_not_make_a_dataset_is_an_error(
    options: list[str], expected: str, good: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as raised:
        preprocess.main([*arguments(good / "reviews.json", tmp_path / "out"), *options])
    assert expected in str(raised.value)
    assert nothing_is_there(tmp_path / "out")


def test_what_changed_since_the_dataset_that_is_there_is_said(existing: Path) -> None:
    code, _, lines = command(*arguments(existing.parent / "reviews.json", existing, stride_chars=4))
    assert code == 0
    assert any(line.endswith(f"{existing}: stride_chars=8, now 4") for line in lines), lines


def test_several_files_are_read_as_one_source(mixed: Path, tmp_path: Path) -> None:
    a = write(tmp_path / "one" / "a.jsonl", MIXED[50:])
    b = write(tmp_path / "two" / "b.jsonl", MIXED[:50])
    dataset = run(f"[{b}, {a}, {tmp_path}/one/*.jsonl]", tmp_path / "out")
    assert [source["name"] for source in dataset.sources] == ["a.jsonl", "b.jsonl"]
    assert shards(dataset) == shards(read(mixed))


def test_the_manifest_says_why_there_are_as_many_shards(good: Path, tmp_path: Path) -> None:
    assert read(good / "dataset").shard_rule == "as asked for"
    rule = run(good / "reviews.json", tmp_path / "out", shards="auto").shard_rule
    assert rule == "source bytes (x 3 if compressed) x record_bytes 40 / stride_chars 8 / 33554432, rounded up"


def test_near_misses_stay_and_repeats_go_and_no_text_is_on_both_sides(tmp_path: Path) -> None:
    texts = [f"Visit {n}: soup, hot soup." for n in range(300)]
    repeats = [text.upper().replace(" ", "\n\t ") for text in texts]
    near = [
        change(text) for text in texts for change in (lambda t: t[:-1], lambda t: t + "!", lambda t: t.replace(",", ""))
    ]
    lines = [json_line(text, review_id=f"r{n}") for n, text in enumerate([*texts, *repeats, *near])]
    dataset = run(write(tmp_path / "r.json", lines), tmp_path / "out")
    assert (dataset.counts["kept"], dataset.counts["duplicate"]) == (1200, 300)
    sides: dict[str, set[str]] = {}
    for shard in dataset.shards:
        data = np.frombuffer((tmp_path / "out" / shard.name).read_bytes(), np.uint8).reshape(-1, dataset.record_bytes)
        rows = records.payload(data, dataset.id_dtype(), dataset.window_chars + 1)
        text = dataset.symbols().decode(np.concatenate([rows[0, :1], rows[:, 1:].ravel()]))
        whole = text[1:].split("}{")[:-1]
        sides.setdefault(shard.split, set()).update(" ".join(review.split()) for review in whole)
    assert all(len(texts) > 50 for texts in sides.values())
    assert not sides["train"] & (sides["validation"] | sides["test"])
    assert not sides["validation"] & sides["test"]


def test_a_vocabulary_of_the_data_does_not_depend_on_what_stands_beside_what(tmp_path: Path) -> None:
    # str.lower() writes a sigma at the end of a word as another letter, so the result depends on the text that follows.
    texts = ["X {} \u039f\u0394\u039f\u03a3", "food {} was good", "1{} ok"]
    sources = []
    for order in ([0, 1, 2], [0, 2, 1]):
        lines = [json_line(texts[t].format(k), review_id=f"{t}/{k}") for k in range(100) for t in order]
        sources.append(write(tmp_path / f"{order[1]}.json", lines))
    made = [run(source, tmp_path / source.stem, vocabulary="auto") for source in sources]
    assert made[0].vocabulary == made[1].vocabulary
    assert shards(made[0]) == shards(made[1])
    assert made[0].counts["dropped"] == {}


@pytest.mark.parametrize("change", ["appended to", "replaced"])
def test_a_source_that_changes_while_it_is_read_is_not_published(change: str, tmp_path: Path) -> None:
    source = write(tmp_path / "r.json", reviews(20_000))

    def interfere() -> None:
        while not list((tmp_path / "out").glob("building-*")):
            time.sleep(0.001)
        if change == "replaced":
            write(tmp_path / "new.json", reviews(20_000, first=1)).replace(source)
        else:
            source.write_bytes(source.read_bytes() + json_line("more"))

    thread = threading.Thread(target=interfere, daemon=True)
    thread.start()
    with pytest.raises(OSError, match="changed while it was read"):
        run(source, tmp_path / "out")
    thread.join()
    assert nothing_is_there(tmp_path / "out")


def test_the_outputs_own_manifest_is_no_source(tmp_path: Path) -> None:
    write(tmp_path / "r.json", GOOD)
    first = run(f"{tmp_path}/*.json", tmp_path)
    before = files(tmp_path)
    assert run(f"{tmp_path}/*.json", tmp_path) == first
    assert files(tmp_path) == before


def test_fractions_that_leave_nothing_to_train_on_are_an_error(good: Path, tmp_path: Path) -> None:
    wrong = error(good / "reviews.json", tmp_path / "out", validation_fraction=0.5, test_fraction=0.5)
    assert wrong.startswith("validation_fraction=0.5, test_fraction=0.5: expected less than 1 together")


def test_more_symbols_than_two_bytes_hold_are_an_error(tmp_path: Path) -> None:
    points = [point for point in range(0x20, 0x20000) if not 0xD800 <= point < 0xE000][:70_000]
    lines = [json_line("".join(map(chr, points[k : k + 1000])), review_id=str(k)) for k in range(0, 70_000, 1000)]
    wrong = error(write(tmp_path / "r.json", lines), tmp_path / "out", vocabulary="auto", lowercase="false")
    assert wrong.startswith("vocabulary: ")
    assert wrong.endswith("symbols, expected at most 65534")
    assert nothing_is_there(tmp_path / "out")


def test_why_lines_were_rejected_is_said_if_too_few_are_left(tmp_path: Path) -> None:
    source = write(tmp_path / "r.json", [b"bad\n", *reviews(1)])
    assert error(source, tmp_path / "out").endswith("; rejected: not JSON (1)")


def test_file_that_is_mostly_rejected_is_refused_by_name_with_counts_and_the_first_reason(tmp_path: Path) -> None:
    write(tmp_path / "good.json", reviews(60))
    bad = write(tmp_path / "mixed.json", [*reviews(3)[:2], *reviews(70)[68:], b"[]\n", *[b"bad\n"] * 4])
    wrong = error(tmp_path / "*.json", tmp_path / "out")
    assert wrong == (
        "mixed.json: 5 of its 9 lines are no reviews; line 5: not a JSON object; max_rejected_fraction=0.5"
    )
    assert nothing_is_there(tmp_path / "out")
    dataset = run(tmp_path / "*.json", tmp_path / "out", max_rejected_fraction=0.6)
    assert dataset.rejected == 5
    assert "max_rejected_fraction" not in dataset.settings
    bad.write_bytes(b"[\n]\n")
    assert error(tmp_path / "*.json", tmp_path / "out").startswith(
        "mixed.json: 2 of its 2 lines are no reviews; line 1: a bracket of an array"
    )


def test_file_of_symbols_outside_the_vocabulary_or_of_duplicates(tmp_path: Path) -> None:
    write(tmp_path / "a.json", reviews(60))
    copy = write(tmp_path / "b.json", reviews(60))
    assert run(tmp_path / "*.json", tmp_path / "out").counts["duplicate"] == 60
    copy.write_bytes(b"".join(json_line("\u5bff\u53f8" * n) for n in range(1, 5)))
    assert error(tmp_path / "*.json", tmp_path / "out").startswith(
        "b.json: 4 of its 4 lines are no reviews; line 1: no symbol of the vocabulary"
    )
