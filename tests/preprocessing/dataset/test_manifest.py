import json
from typing import Any

import numpy as np
import pytest

from preprocessing.dataset import manifest, records
from preprocessing.dataset.manifest import Manifest, Shard, fingerprint_of
from preprocessing.errors import InputError

SIZE = records.record_bytes(3)
NOT = "not a dataset's manifest: "
SHARDS = (
    Shard(name="train-0.tfrecord", split="train", records=2, bytes=2 * SIZE, sha256="aa", crc32c=""),
    Shard(name="train-1.tfrecord", split="train", records=1, bytes=SIZE, sha256="bb", crc32c=""),
    Shard(name="validation-0.tfrecord", split="validation", records=1, bytes=SIZE, sha256="cc", crc32c=""),
)
MANIFEST = Manifest(
    format=1,
    fingerprint="f00d",
    settings={"window_chars": 2, "shards": 1, "lowercase": True},
    sources=({"name": "reviews.json", "bytes": 100, "crc32c": "AAAAAA=="},),
    shard_rule="as asked for",
    vocabulary='ab"é\n{}',
    window_chars=2,
    stride_chars=2,
    dtype="uint8",
    record_bytes=SIZE,
    counts={"read": 3, "kept": 2, "duplicate": 1, "rejected": {}, "dropped": {"寿": 4}},
    splits={
        split: {"reviews": 1, "characters": 9, "tail": 0, "windows": windows}
        for split, windows in {"train": 3, "validation": 1, "test": 0}.items()
    },
    shards=SHARDS,
)


def values(**changes: Any) -> dict[str, Any]:
    return json.loads(MANIFEST.to_json()) | changes


def error(data: bytes | dict[str, Any]) -> str:
    with pytest.raises(InputError) as raised:
        manifest.parse_manifest(data if isinstance(data, bytes) else json.dumps(data).encode(), where="d/manifest.json")
    assert str(raised.value).startswith("d/manifest.json: ")
    return str(raised.value).removeprefix("d/manifest.json: ")


def test_a_manifest_comes_back_from_its_bytes() -> None:
    assert manifest.parse_manifest(MANIFEST.to_json(), where="m") == MANIFEST


def test_the_same_dataset_has_the_same_bytes() -> None:
    assert manifest.parse_manifest(MANIFEST.to_json(), where="m").to_json() == MANIFEST.to_json()


def test_the_vocabulary_stands_as_one_string() -> None:
    assert values()["vocabulary"] == 'ab"é\n{}'
    assert "é" in MANIFEST.to_json().decode()


def test_a_split_has_its_own_shards_in_order() -> None:
    assert [shard.name for shard in MANIFEST.shards_of("train")] == ["train-0.tfrecord", "train-1.tfrecord"]
    assert [shard.name for shard in MANIFEST.shards_of("validation")] == ["validation-0.tfrecord"]
    assert MANIFEST.shards_of("test") == ()


def test_its_vocabulary_gives_the_ids_of_the_records() -> None:
    assert MANIFEST.symbols().encode("}a")[0].tolist() == [6, 0]
    assert MANIFEST.id_dtype() == np.uint8


def test_ids_of_two_bytes_are_little_endian_everywhere() -> None:
    wide = "".join(map(chr, range(0x4E00, 0x4E00 + 300))) + "{}"
    none = {split: dict.fromkeys(("reviews", "characters", "tail", "windows"), 0) for split in manifest.SPLITS}
    fields = values(vocabulary=wide, dtype="uint16", record_bytes=records.record_bytes(6), shards=[], splits=none)
    found = manifest.parse_manifest(json.dumps(fields).encode(), where="m")
    assert found.id_dtype() == np.dtype("<u2")


def test_a_newer_format_is_an_error_that_says_so() -> None:
    assert error(values(format=2)) == f"{NOT}format 2, expected at most 1: written by a newer version"


def test_a_newer_format_says_so_even_if_nothing_else_is_as_expected() -> None:
    assert error(b'{"format": 3, "columns": []}') == f"{NOT}format 3, expected at most 1: written by a newer version"


@pytest.mark.parametrize("format", [0, "1", None, True, 1.5])
def test_a_format_that_never_was_is_an_error(format: object) -> None:
    assert error(values(format=format)).startswith(NOT)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b"{}",
        MANIFEST.to_json()[:-40],
        b"[" * 100_000,
        b'{"format": 1, "shards": 5}',
        b'{"format": 1, "shards": [5]}',
    ],
)
def test_damaged_json_is_an_error(data: bytes) -> None:
    assert error(data).startswith(NOT)


@pytest.mark.parametrize("field", list(values()))
def test_a_missing_field_is_named(field: str) -> None:
    found = values()
    del found[field]
    assert error(found) == f"{NOT}{field}: missing"


def test_an_unknown_field_is_named() -> None:
    assert error(values(colour="red")) == f"{NOT}colour='red': unknown key"


def test_a_shard_with_a_missing_or_an_unknown_field_is_an_error() -> None:
    whole = values()["shards"][0]
    without = {key: whole[key] for key in whole if key != "sha256"}
    assert error(values(shards=[without])) == f"{NOT}shards.0.sha256: missing"
    assert error(values(shards=[whole | {"crc": 1}])) == f"{NOT}shards.0.crc=1: unknown key"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"window_chars": 0}, "window_chars=0: expected greater than or equal to 1"),
        ({"window_chars": "2"}, "window_chars='2': expected a valid integer"),
        ({"stride_chars": 2.0}, "stride_chars=2.0: expected a valid integer"),
        ({"record_bytes": None}, "record_bytes=None: expected a valid integer"),
        ({"dtype": "uint16"}, "dtype=uint16, expected uint8"),
        ({"dtype": "float32"}, "dtype=float32, expected uint8"),
        ({"dtype": "text"}, "dtype=text, expected uint8"),
        ({"vocabulary": "abca{}"}, "symbol 'a' occurs twice"),
        ({"vocabulary": "abc"}, "no '{', which marks"),
        ({"vocabulary": 7}, "vocabulary=7: expected a valid string"),
    ],
)
def test_fields_that_contradict_each_other_are_an_error(changes: dict[str, Any], expected: str) -> None:
    assert expected in error(values(**changes))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"records": 3}, f"shard train-0.tfrecord: 3 records do not make {2 * SIZE} bytes"),
        ({"split": "dev"}, "shards.0.split='dev'"),
        ({"name": "../train-0.tfrecord"}, "shards.0.name='../train-0.tfrecord'"),
        ({"name": "/etc/passwd"}, "shards.0.name='/etc/passwd'"),
        ({"name": ".."}, "shards.0.name='..'"),
        ({"name": ""}, "shards.0.name=''"),
        ({"name": 5}, "shards.0.name=5: expected a valid string"),
    ],
)
def test_a_shard_that_cannot_be_is_an_error(changes: dict[str, Any], expected: str) -> None:
    assert expected in error(values(shards=[values()["shards"][0] | changes]))


def test_a_record_of_another_size_than_its_window_is_an_error() -> None:
    shards = [{"name": "t", "split": "train", "records": 1, "bytes": SIZE + 1, "sha256": "aa", "crc32c": ""}]
    expected = f"record_bytes={SIZE + 1}, expected {SIZE} for windows of 2 characters"
    assert expected in error(values(record_bytes=SIZE + 1, shards=shards))


@pytest.mark.parametrize(
    "splits", [{}, {"train": {}}, {**MANIFEST.splits, "train": {**MANIFEST.splits["train"], "windows": 99}}]
)
def test_a_split_counts_the_windows_that_its_shards_hold(splits: dict[str, Any]) -> None:
    assert error(values(splits=splits)).startswith(NOT)


@pytest.mark.parametrize(
    "changes",
    [
        {"counts": {}},
        {"counts": 5},
        {"counts": {"read": 3, "kept": 2, "duplicate": 1, "rejected": [], "dropped": {}}},
        {"counts": {"read": -3, "kept": 2, "duplicate": 1, "rejected": {}, "dropped": {}}},
        {"counts": {"read": 3, "kept": "2", "duplicate": 1, "rejected": {}, "dropped": {}}},
        {"counts": {"read": 3, "kept": 2, "duplicate": 1, "rejected": {"not JSON": None}, "dropped": {}}},
        {"splits": {**MANIFEST.splits, "test": {"windows": 0}}},
        {"splits": {**MANIFEST.splits, "test": {"reviews": 1, "characters": True, "tail": 0, "windows": 0}}},
        {"window_chars": 10**30},
        {"fingerprint": 5},
        {"shard_rule": None},
        {"sources": [{"name": "r.json"}]},
        {"sources": ["r.json"]},
        {"sources": 5},
        {"settings": None},
        {"vocabulary": ["a", "{", "}"]},
        {"dtype": 8},
    ],
    ids=str,
)
def test_a_value_of_another_kind_is_an_error(changes: dict[str, Any]) -> None:
    assert error(values(**changes)).startswith(NOT)


def test_the_fingerprint_changes_with_settings_and_sources() -> None:
    source = {"name": "r.json", "bytes": 5, "crc32c": "AAAAAA=="}
    base = fingerprint_of({"a": 1}, [source])
    others = [
        fingerprint_of({"a": 2}, [source]),
        fingerprint_of({"a": 1}, [source | {"bytes": 6}]),
        fingerprint_of({"a": 1}, [source | {"name": "s.json"}]),
        fingerprint_of({"a": 1}, [source | {"crc32c": "BBBBBB=="}]),
        fingerprint_of({"a": 1}, [source, source]),
    ]
    assert base == fingerprint_of({"a": 1}, (dict(source),))
    assert len({base, *others}) == 6


def test_how_a_prompt_is_to_be_cased_is_in_the_settings() -> None:
    assert error(values(settings={})) == f"{NOT}settings: lowercase: missing"
