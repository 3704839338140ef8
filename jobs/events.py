"""TensorBoard's events of one start of a run: when it wrote, and how fast it went.

The file is a TFRecord file of Event messages. TensorBoard's own reader takes a local path, imports TensorFlow and
ends at damage as it does at the file's end; this one takes bytes and can tell.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.util.tensor_util import make_ndarray

from preprocessing.records import CRC_BYTES, masked_crc

SPEED = "speed/chars_per_second"
LENGTH_BYTES = 8


@dataclass(frozen=True)
class Speed:
    """Predicted characters a second over the steps up to `step` since the row before; `time` in seconds since 1970."""

    time: float
    step: int
    chars_per_second: float


@dataclass(frozen=True)
class Start:
    """One process's events: the times of the first and the last, and its speeds in order. Not `whole`: they end at
    a damaged record."""

    began: float
    ended: float
    speeds: tuple[Speed, ...]
    whole: bool


def read(data: bytes) -> Start | None:
    """A file's events, as far as they are whole; None if not even the first is."""
    times, speeds, whole = [], [], True
    try:
        for record in _records(data):
            event = Event.FromString(record)
            times.append(event.wall_time)
            for value in event.summary.value:
                if value.tag == SPEED:
                    speeds.append(_speed(event, float(make_ndarray(value.tensor))))
    except (ValueError, TypeError, DecodeError):
        whole = False
    return Start(times[0], times[-1], tuple(speeds), whole) if times else None


def _speed(event: Event, chars_per_second: float) -> Speed:
    if not 0 < chars_per_second < math.inf:
        raise ValueError(f"{SPEED} {chars_per_second}")
    return Speed(event.wall_time, event.step, chars_per_second)


def _records(data: bytes) -> Iterator[bytes]:
    """The records of a TFRecord file; ValueError at one that is not whole."""
    at = 0
    while at < len(data):
        length, at = _checked(data, at, LENGTH_BYTES)
        record, at = _checked(data, at, int.from_bytes(length, "little"))
        yield record


def _checked(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    """The bytes at a place, and the place after their CRC, which has to be theirs."""
    end = at + size
    found = data[at:end]
    if masked_crc(found) != int.from_bytes(data[end : end + CRC_BYTES], "little") or end + CRC_BYTES > len(data):
        raise ValueError(f"byte {at}: not a whole record")
    return found, end + CRC_BYTES
