from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from preprocessing.dataset import records
from preprocessing.dataset.records import cut_windows, frame, masked_crc, payload, record_bytes


def example(ids: npt.NDArray[Any]) -> bytes:
    """Return the serialized tf.train.Example that TensorFlow writes for these ids."""
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[ids.tobytes()]))
    written: bytes = tf.train.Example(features=tf.train.Features(feature={"ids": feature})).SerializeToString()
    return written


def windows(count: int, ids: int, dtype: str) -> npt.NDArray[Any]:
    return np.random.default_rng(1).integers(0, np.iinfo(dtype).max, (count, ids)).astype(dtype)


def test_the_checksum_is_crc32c() -> None:
    # RFC 3720, B.4: 32 zero bytes, 32 bytes 0xFF, and the bytes 0 to 31.
    # "123456789" is the check value in CRC catalogues.
    assert google_crc32c.value(bytes(32)) == 0x8A9136AA
    assert google_crc32c.value(b"\xff" * 32) == 0x62A8AB43
    assert google_crc32c.value(bytes(range(32))) == 0x46DD794E
    assert google_crc32c.value(b"123456789") == 0xE3069283


def test_the_mask_is_the_one_of_tfrecord() -> None:
    # 0xE3069283 rotated right by 15 bits is 0x2507C60D. 0x2507C60D + 0xA282EAD8 = 0xC78AB0E5.
    assert masked_crc(b"123456789") == 0xC78AB0E5


def test_a_record_stands_byte_by_byte() -> None:
    record = frame(np.array([[7, 8, 9]], np.uint8))[0].tobytes()
    body = b"\x0a\x10\x0a\x0e\x0a\x03ids\x12\x07\x0a\x05\x0a\x03\x07\x08\x09"
    assert record[:8] == bytes([len(body), 0, 0, 0, 0, 0, 0, 0])
    assert record[8:12] == masked_crc(record[:8]).to_bytes(4, "little")
    assert record[12:-4] == body
    assert record[-4:] == masked_crc(body).to_bytes(4, "little")


# A length in the head of the Example takes one more byte from 128 bytes on, and again from 16384 bytes on.
@pytest.mark.parametrize("ids", [1, 3, 100, 115, 116, 117, 118, 119, 120, 121, 127, 128, 129, 257, 16_370, 16_384])
@pytest.mark.parametrize("dtype", ["uint8", "<u2"])
def test_a_record_holds_what_tensorflow_would_write(ids: int, dtype: str) -> None:
    rows = windows(2, ids, dtype)
    framed = frame(rows)
    assert framed.shape == (2, record_bytes(ids * rows.dtype.itemsize))
    assert [record[12:-4].tobytes() for record in framed] == [example(row) for row in rows]


@pytest.mark.parametrize(("dtype", "decoded"), [("uint8", tf.uint8), ("<u2", tf.uint16)])
def test_tensorflow_reads_the_records(dtype: str, decoded: Any, tmp_path: Path) -> None:
    rows = windows(5, 17, dtype)
    path = tmp_path / "x.tfrecord"
    path.write_bytes(frame(rows).tobytes())
    features = {"ids": tf.io.FixedLenFeature([], tf.string)}
    read = [
        tf.io.decode_raw(tf.io.parse_single_example(record, features)["ids"], decoded).numpy()
        for record in tf.data.TFRecordDataset(str(path))
    ]
    assert np.array_equal(read, rows)


def test_tensorflow_writes_the_same_file(tmp_path: Path) -> None:
    rows = windows(3, 9, "uint8")
    path = tmp_path / "x.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for row in rows:
            writer.write(example(row))
    assert path.read_bytes() == frame(rows).tobytes()


def test_the_ids_come_back_out_of_the_records() -> None:
    rows = windows(4, 5, "<u2")
    assert payload(frame(rows), rows.dtype, 5).tolist() == rows.tolist()


def test_windows_that_overlap_are_framed_each_on_its_own() -> None:
    view = np.lib.stride_tricks.sliding_window_view(np.arange(6, dtype=np.uint8), 3)[::2]
    assert payload(frame(view), view.dtype, 3).tolist() == [[0, 1, 2], [2, 3, 4]]


def test_no_windows_make_no_records() -> None:
    assert frame(np.empty((0, 3), np.uint8)).shape == (0, record_bytes(3))


def test_a_checksum_depends_on_each_bit_of_the_example() -> None:
    framed = frame(np.array([[7, 8, 9]], np.uint8))
    for place in range(12, framed.shape[1] - 4):
        changed = framed.copy()
        changed[0, place] ^= 1
        assert (records.checksums(changed) != framed[:, -4:]).any()


IDS = np.arange(8, dtype=np.uint8)


def rows(count: int, *, window_chars: int, stride_chars: int) -> list[list[int]]:
    found = cut_windows(IDS[:count], window_chars=window_chars, stride_chars=stride_chars)
    assert found.shape[1] == window_chars + 1
    assert found.dtype == np.uint8
    return found.tolist()


def test_at_a_stride_of_its_length_a_window_starts_where_the_last_one_ended() -> None:
    assert rows(7, window_chars=3, stride_chars=3) == [[0, 1, 2, 3], [3, 4, 5, 6]]


def test_what_is_too_short_for_a_window_is_in_none() -> None:
    assert rows(8, window_chars=3, stride_chars=3) == [[0, 1, 2, 3], [3, 4, 5, 6]]


def test_windows_overlap_at_a_smaller_stride() -> None:
    assert rows(7, window_chars=3, stride_chars=2) == [[0, 1, 2, 3], [2, 3, 4, 5]]
    assert rows(6, window_chars=3, stride_chars=1) == [[0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5]]


def test_ids_of_one_window_make_one() -> None:
    assert rows(4, window_chars=3, stride_chars=3) == [[0, 1, 2, 3]]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_ids_of_less_than_a_window_make_none(count: int) -> None:
    assert rows(count, window_chars=3, stride_chars=3) == []


def test_the_ids_are_not_copied() -> None:
    assert np.shares_memory(cut_windows(IDS, window_chars=3, stride_chars=1), IDS)
