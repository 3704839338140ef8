"""TensorBoard's events of one start of a run: when it wrote, and how fast it went.

The file is a TFRecord file of Event messages, read by what TensorBoard has for machines without TensorFlow: unlike
its EventFileLoader, it tells damage from the file's end.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.tensorflow_stub.errors import DataLossError, OutOfRangeError
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New
from tensorboard.util.tensor_util import make_ndarray

from preprocessing.storage.bucket import Bucket, local_file
from trainer.runs.metric_rows import SPEED, TENSORBOARD


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


def read(path: Path) -> Start | None:
    """A file's events, as far as they are whole; None if not even the first is."""
    times, speeds = [], []
    records = PyRecordReader_New(str(path))
    try:
        while True:
            records.GetNext()
            event = Event.FromString(records.record())
            times.append(event.wall_time)
            for value in event.summary.value:
                if value.tag == SPEED:
                    speeds.append(_speed(event, float(make_ndarray(value.tensor))))
    except OutOfRangeError:
        whole = True
    except (DataLossError, DecodeError, ValueError, TypeError):
        whole = False
    return Start(times[0], times[-1], tuple(speeds), whole) if times else None


def names(bucket: Bucket) -> list[str]:
    """Those of a run's files of events, in the order of its starts."""
    return [name for name in bucket.names(TENSORBOARD, recursive=False) if "tfevents" in name]


def fetched(bucket: Bucket, name: str) -> Start | None:
    """What `read` gives, of a file in a run's folder."""
    with local_file(bucket, name) as path:
        return read(path)


def _speed(event: Event, chars_per_second: float) -> Speed:
    if not 0 < chars_per_second < math.inf:
        raise ValueError(f"{SPEED} {chars_per_second}")
    return Speed(event.wall_time, event.step, chars_per_second)
