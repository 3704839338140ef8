import io
from pathlib import Path

import pytest

from preprocessing.storage.bucket import Bucket
from preprocessing.storage.streams import ObjectStream, create_stream, open_stream
from tests.support.memory import Memory

DATA = bytes(range(256)) * 20


def test_stream_is_read_from_any_position_to_its_end(bucket: Bucket) -> None:
    bucket.write("x", DATA)
    with open_stream(f"{bucket.url}/x", size=len(DATA)) as stream:
        assert stream.read(3) == DATA[:3]
        assert stream.seek(-5, io.SEEK_END) == 5115
        assert stream.read() == DATA[-5:]
        assert stream.read(1) == b""
        stream.seek(100)
        assert stream.read(5000) == DATA[100:5100]
        stream.seek(9999)
        assert stream.read(1) == b""


def test_nothing_is_asked_for_at_the_end() -> None:
    memory = Memory()
    memory.write("x", DATA)
    verbs: list[str] = []
    memory.before = lambda verb, _: verbs.append(verb)
    stream = io.BufferedReader(ObjectStream(memory, "x", size=len(DATA)), 1 << 20)
    assert stream.read() == DATA
    assert stream.read(1) == b""
    assert verbs == ["read"]


def test_created_object_appears_with_all_chunks(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "bucket").mkdir()
    with create_stream(bucket.url, "x") as stream:
        stream.write(b"one")
        stream.write(b"two")
    assert bucket.read("x") == b"onetwo"


def test_block_that_raises_uploads_nothing(endpoint: str, tmp_path: Path) -> None:  # noqa: ARG001
    def interrupt() -> None:
        with create_stream(f"gs://reviews/{tmp_path.name}", "x") as stream:
            stream.write(b"half")
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        interrupt()
