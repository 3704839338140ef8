import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from preprocessing import records
from preprocessing.errors import InputError
from preprocessing.manifest import Manifest, Shard
from preprocessing.verification import check_digest, check_file, check_records

ROWS = np.array([[0, 1, 2], [2, 1, 0], [3, 0, 4], [4, 3, 2]], np.uint8)
DATA = records.frame(ROWS).tobytes()
SIZE = records.record_bytes(3)
HEAD = SIZE - 4 - 3  # the bytes of a record before its ids
SHARD = Shard(name="t.tfrecord", split="train", records=4, bytes=len(DATA), sha256=hashlib.sha256(DATA).hexdigest())


def dataset(**changes: Any) -> Manifest:
    fields: dict[str, Any] = {
        "format": 1,
        "fingerprint": "f",
        "settings": {},
        "sources": (),
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


def records_error(data: bytes) -> str:
    return error(lambda: check_records(data, dataset(), place="t"))


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
    check_file(path, SHARD, place="t")
    check_digest(DATA, SHARD, place="t")
    check_records(DATA, dataset(), place="t")


@pytest.mark.parametrize("data", [DATA[:-1], DATA[:-SIZE], DATA + DATA[:SIZE], b""])
def test_a_shard_of_another_length_names_both(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "t.tfrecord"
    path.write_bytes(data)
    expected = f"t: {len(data)} bytes, expected {len(DATA)}: the shard is cut or altered"
    assert error(lambda: check_file(path, SHARD, place="t")) == expected
    assert error(lambda: check_digest(data, SHARD, place="t")) == expected


@pytest.mark.parametrize("place", [0, HEAD, len(DATA) - 1])
def test_a_shard_with_another_byte_names_both_digests(place: int, tmp_path: Path) -> None:
    data = changed(place)
    path = tmp_path / "t.tfrecord"
    path.write_bytes(data)
    expected = f"t: SHA-256 {hashlib.sha256(data).hexdigest()}, expected {SHARD.sha256}: the shard is altered"
    assert error(lambda: check_file(path, SHARD, place="t")) == expected
    assert error(lambda: check_digest(data, SHARD, place="t")) == expected


def test_a_part_of_a_record_is_an_error() -> None:
    assert records_error(DATA[:-1]) == f"t: {len(DATA) - 1} bytes are not whole records of {SIZE}"


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
    check_records(with_ids(good), wide, place="t")
    wrong = good.copy()
    wrong[1, 1] = 302
    expected = f"t: record 1 at byte {records.record_bytes(6)}: wrong symbol"
    assert error(lambda: check_records(with_ids(wrong), wide, place="t")) == expected
