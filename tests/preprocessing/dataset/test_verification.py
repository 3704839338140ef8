import dataclasses
import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from preprocessing.dataset import records
from preprocessing.dataset.manifest import Manifest, Shard, fingerprint_of
from preprocessing.dataset.verification import check_file, check_manifest, check_shard
from preprocessing.errors import InputError
from preprocessing.storage.checksum import crc32c

ROWS = np.array([[0, 1, 2], [2, 1, 0], [3, 0, 4], [4, 3, 2]], np.uint8)
DATA = records.frame(ROWS).tobytes()
SIZE = records.record_bytes(3)
HEAD = SIZE - 4 - 3  # bytes in a record before its ids
SHARD = Shard(
    name="t.tfrecord",
    split="train",
    records=4,
    bytes=len(DATA),
    sha256=hashlib.sha256(DATA).hexdigest(),
    crc32c=crc32c([DATA]),
)


def dataset(**changes: Any) -> Manifest:
    fields: dict[str, Any] = {
        "format": 1,
        "fingerprint": "f",
        "settings": {},
        "sources": (),
        "shard_rule": "as asked for",
        "vocabulary": "abc{}",
        "window_chars": 2,
        "stride_chars": 2,
        "dtype": "uint8",
        "record_bytes": SIZE,
        "counts": {},
        "splits": {},
        "shards": (SHARD,),
    }
    return Manifest(**(fields | changes))


def error(check: Callable[[], None]) -> str:
    with pytest.raises(InputError) as raised:
        check()
    return str(raised.value)


def shard_of(data: bytes) -> Shard:
    """Return the manifest entry that matches the data, so that only the records can be wrong."""
    return dataclasses.replace(SHARD, bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), crc32c=crc32c([data]))


def check(data: bytes, manifest: Manifest) -> None:
    check_shard(io.BytesIO(data), shard_of(data), manifest, where="t")


def records_error(data: bytes) -> str:
    return error(lambda: check(data, dataset()))


def changed(*places: int, data: bytes = DATA) -> bytes:
    out = bytearray(data)
    for place in places:
        out[place] ^= 1
    return bytes(out)


def with_ids(rows: npt.NDArray[Any]) -> bytes:
    return records.frame(rows).tobytes()


def test_a_whole_shard_passes(tmp_path: Path) -> None:
    path = tmp_path / "t.tfrecord"
    path.write_bytes(DATA)
    check_file(path, SHARD, where="t")
    check_shard(io.BytesIO(DATA), SHARD, dataset(), where="t")


@pytest.mark.parametrize("data", [DATA[:-1], DATA[:-SIZE], DATA + DATA[:SIZE], b""])
def test_a_shard_of_another_length_names_both(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "t.tfrecord"
    path.write_bytes(data)
    expected = f"t: {len(data)} bytes, expected {len(DATA)}: the shard is cut or altered"
    assert error(lambda: check_file(path, SHARD, where="t")) == expected


@pytest.mark.parametrize("place", [0, HEAD, len(DATA) - 1])
def test_a_shard_with_another_byte_names_both_digests(place: int, tmp_path: Path) -> None:
    data = changed(place)
    path = tmp_path / "t.tfrecord"
    path.write_bytes(data)
    expected = f"t: SHA-256 {hashlib.sha256(data).hexdigest()}, expected {SHARD.sha256}: the shard is altered"
    assert error(lambda: check_file(path, SHARD, where="t")) == expected


def test_a_part_of_a_record_is_an_error() -> None:
    assert records_error(DATA[:-1]) == f"t: record 3 at byte {3 * SIZE}: cut short"
    assert records_error(DATA[: SIZE - 1]) == "t: record 0 at byte 0: cut short"


@pytest.mark.parametrize("place", [0, 7, 8, 11, 12, HEAD - 1])
def test_a_wrong_frame_names_record_and_byte(place: int) -> None:
    assert records_error(changed(2 * SIZE + place)) == f"t: record 2 at byte {2 * SIZE}: wrong frame"


@pytest.mark.parametrize("place", [HEAD, SIZE - 5, SIZE - 4, SIZE - 1])
def test_a_wrong_checksum_names_record_and_byte(place: int) -> None:
    assert records_error(changed(SIZE + place)) == f"t: record 1 at byte {SIZE}: wrong CRC"


def test_a_symbol_that_is_none_names_record_and_byte() -> None:
    rows = ROWS.copy()
    rows[3, 2] = 5  # five symbols have the ids 0 to 4
    assert records_error(with_ids(rows)) == f"t: record 3 at byte {3 * SIZE}: wrong symbol"


def test_of_many_faults_the_first_is_named() -> None:
    rows = ROWS.copy()
    rows[0, 0] = 99
    symbol_first = changed(SIZE + HEAD, 2 * SIZE, data=with_ids(rows))
    assert records_error(symbol_first) == "t: record 0 at byte 0: wrong symbol"
    checksum_first = changed(SIZE + HEAD, 2 * SIZE)
    assert records_error(checksum_first) == f"t: record 1 at byte {SIZE}: wrong CRC"


def test_each_changed_bit_of_a_shard_is_found() -> None:
    for place in range(len(DATA)):
        assert f"record {place // SIZE} at byte {place // SIZE * SIZE}: wrong " in records_error(changed(place))


def test_ids_of_two_bytes_are_checked() -> None:
    vocabulary = "".join(map(chr, range(0x4E00, 0x4E00 + 300))) + "{}"
    wide = dataset(vocabulary=vocabulary, dtype="uint16", record_bytes=records.record_bytes(6))
    good = np.array([[0, 301, 256], [1, 2, 3]], "<u2")
    check(with_ids(good), wide)
    wrong = good.copy()
    wrong[1, 1] = 302
    expected = f"t: record 1 at byte {records.record_bytes(6)}: wrong symbol"
    assert error(lambda: check(with_ids(wrong), wide)) == expected


def test_records_that_are_in_order_but_not_those_of_the_manifest_are_an_error() -> None:
    other = with_ids(ROWS[::-1])
    wrong = error(lambda: check_shard(io.BytesIO(other), SHARD, dataset(), where="t"))
    assert wrong == f"t: SHA-256 {hashlib.sha256(other).hexdigest()}, expected {SHARD.sha256}: the shard is altered"


def test_a_record_that_is_missing_is_an_error() -> None:
    short = error(lambda: check_shard(io.BytesIO(DATA[:-SIZE]), SHARD, dataset(), where="t"))
    assert short == f"t: {3 * SIZE} bytes, expected {4 * SIZE}: the shard is cut or altered"


def test_a_fault_far_into_a_shard_has_its_own_number() -> None:
    rows = np.tile(ROWS, (30_000, 1))
    data = with_ids(rows)
    check(data, dataset())
    wrong = records_error(changed(100_001 * SIZE + 3, data=data))
    assert wrong == f"t: record 100001 at byte {100_001 * SIZE}: wrong frame"


COUNTS = {"read": 9, "kept": 5, "duplicate": 3, "rejected": {"not JSON": 1}, "dropped": {}}
# 4 records of 2 + 1 characters with a stride of 2 hold 4 * 2 + 1 = 9 characters.
SPLITS = {
    "train": {"reviews": 4, "characters": 10, "tail": 1, "windows": 4},
    "validation": {"reviews": 1, "characters": 2, "tail": 2, "windows": 0},
}


SETTINGS = {"window_chars": 2, "stride_chars": 2, "vocabulary": "abc{}"}


def told(**changes: Any) -> Manifest:
    """Return a consistent manifest, with the changes applied."""
    fields: dict[str, Any] = {"settings": SETTINGS, "counts": COUNTS, "splits": SPLITS} | changes
    fields = {"fingerprint": fingerprint_of(fields["settings"], ())} | fields
    return dataset(shards=fields.pop("shards", (dataclasses.replace(SHARD, name="train-0"),)), **fields)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"counts": COUNTS | {"read": 8}}, "8 lines read, 9 accounted for"),
        ({"counts": COUNTS | {"kept": 6, "read": 10}}, "6 reviews kept, 5 in the splits"),
        (
            {"splits": SPLITS | {"train": SPLITS["train"] | {"characters": 11}}},
            "train: 11 characters, its shards hold 9 and 1 are left",
        ),
        (
            {"splits": SPLITS | {"validation": SPLITS["validation"] | {"tail": 0}}},
            "validation: 2 characters, its shards hold 0 and 0 are left",
        ),
        ({"fingerprint": "f"}, "the fingerprint does not match its settings and sources"),
        (
            {"sources": ({"name": "r", "bytes": 1, "crc32c": ""},)},
            "the fingerprint does not match its settings and sources",
        ),
        ({"settings": SETTINGS | {"stride_chars": 1}}, "stride_chars differs from its settings"),
        ({"vocabulary": "bac{}"}, "vocabulary differs from its settings"),
        ({"shards": (SHARD,)}, "two shards have the same name, or a shard's name begins with another split"),
        ({"shards": (dataclasses.replace(SHARD, name="train-0"),) * 2}, "two shards have the same name"),
    ],
)
def test_a_manifest_that_disagrees_with_itself_is_an_error(changes: dict[str, Any], expected: str) -> None:
    check_manifest(told(), where="t")
    assert error(lambda: check_manifest(told(**changes), where="t")).startswith(f"t: {expected}")


def test_a_vocabulary_of_the_data_is_in_no_setting() -> None:
    check_manifest(told(settings=SETTINGS | {"vocabulary": "auto"}), where="t")


def test_a_checksum_that_is_not_the_shards_is_an_error() -> None:
    wrong = dataclasses.replace(SHARD, crc32c="AAAAAA==")
    expected = "t: the manifest's crc32c AAAAAA== does not match the shard's bytes"
    assert error(lambda: check_shard(io.BytesIO(DATA), wrong, dataset(), where="t")) == expected
