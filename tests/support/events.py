"""TensorBoard event files, written by TensorBoard's own writer."""

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util.tensor_util import make_tensor_proto

from trainer.runs.metric_rows import SPEED


def events(*speeds: tuple[float, int, float], began: float) -> bytes:
    """Return the event file of a start. A speed is (time, step, characters per second)."""
    items = [Event(wall_time=began, file_version="brain.Event:2")]
    for time, step, speed in speeds:
        value = Summary.Value(tag=SPEED, tensor=make_tensor_proto(np.float32(speed)))
        items.append(Event(wall_time=time, step=step, summary=Summary(value=[value])))
    return framed(*items)


def framed(*items: Event) -> bytes:
    """Return events as an event file."""

    class MemoryFile(bytearray):
        write = bytearray.extend

    file = MemoryFile()
    for event in items:
        RecordWriter(file).write(event.SerializeToString())
    return bytes(file)
