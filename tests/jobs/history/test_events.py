from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.util.tensor_util import make_tensor_proto

from jobs.history.events import Speed, Start, read
from tests.support.events import events, framed
from trainer.runs.metric_rows import SPEED


def started(tmp_path: Path, data: bytes) -> Start | None:
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(data)
    return read(path)


def test_a_start_s_speeds_are_read_in_order(tmp_path: Path) -> None:
    found = started(tmp_path, events((110.0, 3, 512.0), (116.0, 6, 256.0), began=100.0))
    assert found == Start(100.0, 116.0, (Speed(110.0, 3, 512.0), Speed(116.0, 6, 256.0)), whole=True)


def test_a_changed_byte_of_the_events_is_damage(tmp_path: Path) -> None:
    data = events((110.0, 3, 512.0), (116.0, 6, 512.0), began=100.0)
    for place in (0, 9, 20, len(data) - 1):  # a length, its CRC, an event, the last one's CRC
        found = started(tmp_path, data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert found is None or not found.whole, place


def test_events_that_are_no_speed_are_damage(tmp_path: Path) -> None:
    text = make_tensor_proto("fast")
    event = Event(wall_time=2.0, step=1, summary=Summary(value=[Summary.Value(tag=SPEED, tensor=text)]))
    for data in (framed(Event(wall_time=1.0), event), events((2.0, 1, 0.0), began=1.0)):
        found = started(tmp_path, data)
        assert found
        assert (found.whole, found.speeds) == (False, ())
