"""TensorBoard's events of a start, as its own writer has them."""

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util.tensor_util import make_tensor_proto

from trainer.runs.metric_rows import SPEED


def events(*speeds: tuple[float, int, float], began: float) -> bytes:
    """A start's file: speeds as (time, step, characters a second)."""
    found = [Event(wall_time=began, file_version="brain.Event:2")]
    for time, step, speed in speeds:
        value = Summary.Value(tag=SPEED, tensor=make_tensor_proto(np.float32(speed)))
        found.append(Event(wall_time=time, step=step, summary=Summary(value=[value])))
    return framed(*found)


def framed(*found: Event) -> bytes:
    class Kept(bytearray):
        write = bytearray.extend

    file = Kept()
    for event in found:
        RecordWriter(file).write(event.SerializeToString())
    return bytes(file)
