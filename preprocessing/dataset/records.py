"""Windows of ids, and their TFRecord framing, all windows at once.

A record is a tf.train.Example with one bytes feature `ids`. All windows of a dataset have one length, so the bytes
before the ids are constant: the length field, its CRC and the Example's head. Record k starts at k * record_bytes:

    length uint64 | CRC of length uint32 | Example head | ids | CRC of head and ids uint32

The CRC is CRC-32C with TFRecord's mask
(tensorflow/core/lib/hash/crc32c.h: ((crc >> 15) | (crc << 17)) + 0xa282ead8).
"""

from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt

from preprocessing.dataset.vocabulary import Ids

CRC_BYTES = 4


def cut_windows(ids: Ids, *, window_chars: int, stride_chars: int) -> Ids:
    """Cut ids [n] into windows [m, window_chars + 1], each `stride_chars` after the one before. Return a view.

    A window holds one id more than it predicts: position i is the input, and position i + 1 is its target.
    Last ids too few for a window are in no window.
    """
    if len(ids) <= window_chars:
        return ids[:0].reshape(0, window_chars + 1)
    return np.lib.stride_tricks.sliding_window_view(ids, window_chars + 1)[::stride_chars]


def masked_crc(data: bytes) -> int:
    """Return TFRecord's masked CRC-32C of the bytes."""
    return int(_mask(np.array([google_crc32c.value(data)], np.uint32))[0])


def example_head(payload_bytes: int) -> bytes:
    """Return the bytes of a tf.train.Example before the value of its one feature `ids`.

    example.proto and feature.proto nest six length-delimited fields. Each ends where the value ends.
    """
    head = b"\x0a" + _varint(payload_bytes)  # BytesList.value
    for field in (b"\x0a", b"\x12"):  # Feature.bytes_list, the map entry's value
        head = field + _varint(len(head) + payload_bytes) + head
    head = b"\x0a\x03ids" + head  # the map entry's key
    for field in (b"\x0a", b"\x0a"):  # Features.feature, Example.features
        head = field + _varint(len(head) + payload_bytes) + head
    return head


def prefix(payload_bytes: int) -> bytes:
    """Return all bytes of a record before its ids."""
    head = example_head(payload_bytes)
    length = (len(head) + payload_bytes).to_bytes(8, "little")
    return length + masked_crc(length).to_bytes(CRC_BYTES, "little") + head


def record_bytes(payload_bytes: int) -> int:
    """Return the length of a whole record."""
    return len(prefix(payload_bytes)) + payload_bytes + CRC_BYTES


def frame(windows: Ids) -> npt.NDArray[np.uint8]:
    """Return the records [n, record_bytes] of windows [n, window_chars + 1] of the dataset's id dtype."""
    count, ids = windows.shape
    payload_bytes = ids * windows.dtype.itemsize
    start = prefix(payload_bytes)
    records = np.empty((count, len(start) + payload_bytes + CRC_BYTES), np.uint8)
    records[:, : len(start)] = np.frombuffer(start, np.uint8)
    records[:, len(start) : -CRC_BYTES] = windows.view(np.uint8)
    records[:, -CRC_BYTES:] = checksums(records)
    return records


def checksums(records: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the masked CRC [n, 4] of each record's Example, which its last four bytes should be."""
    start = 8 + CRC_BYTES
    size = records.shape[1] - start - CRC_BYTES
    data = records[:, start:-CRC_BYTES].tobytes()
    each = (google_crc32c.value(data[k : k + size]) for k in range(0, len(data), size))
    crcs = np.fromiter(each, np.uint32, len(records))
    return _mask(crcs).astype("<u4").view(np.uint8).reshape(-1, CRC_BYTES)


def payload(records: npt.NDArray[np.uint8], dtype: np.dtype[Any], ids: int) -> Ids:
    """Return the last `ids` ids of each record: [n, ids] of records [n, record_bytes]."""
    start = records.shape[1] - CRC_BYTES - ids * dtype.itemsize
    return np.ascontiguousarray(records[:, start:-CRC_BYTES]).view(dtype)


def _mask(crcs: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    return ((crcs >> np.uint32(15)) | (crcs << np.uint32(17))) + np.uint32(0xA282EAD8)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])
