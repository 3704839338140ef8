import errno
import logging
from pathlib import Path
from typing import Any

import pytest

from preprocessing.errors import InputError
from preprocessing.storage import retry
from preprocessing.storage.retry import RetryingBucket
from tests.support.memory import Memory


class Away(Memory):
    """A bucket whose next operations raise the errors."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.tries = list(errors), 0
        super().__init__(before=self._fail)
        self.objects["name"] = b"data"

    def _fail(self, *_: str) -> None:
        self.tries += 1
        if self.errors:
            raise self.errors.pop(0)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "PAUSE_SECONDS", 0.0)


def outages(count: int) -> list[Exception]:
    errors: list[Exception] = [OSError("no answer"), ConnectionResetError(errno.ECONNRESET, "reset"), TimeoutError()]
    return errors[:count]


def test_each_read_waits_for_the_store(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    reads: list[Any] = [
        lambda bucket: bucket.read("name"),
        lambda bucket: bucket.read_versioned("name")[0],
        lambda bucket: bucket.fetch("name", tmp_path).read_bytes(),
        lambda bucket: bucket.names()[0].replace("name", "data").encode(),
        lambda bucket: b"data"[: bucket.stat("name").bytes],
    ]
    for read in reads:
        alive: list[int] = []
        bucket = RetryingBucket(Away(*outages(3)), seconds=60, alive=lambda: alive.append(1))  # noqa: B023
        with caplog.at_level(logging.WARNING):
            assert read(bucket) == b"data"
        assert len(alive) == 3
    assert caplog.messages[0] == "waiting for the store, 0 of 60 s: no answer"
    assert len(caplog.messages) == len(reads)


@pytest.mark.parametrize(
    "error",
    [
        InputError("no such bucket"),
        FileNotFoundError("gs://reviews/name"),
        PermissionError("no permission"),
        OSError(errno.ENOSPC, "No space left on device"),
    ],
)
def test_what_a_store_cannot_mend_is_raised_at_once(error: Exception) -> None:
    away = Away(error)
    with pytest.raises(type(error)):
        RetryingBucket(away, seconds=60).read("name")
    assert away.tries == 1


def test_a_store_that_stays_away_is_given_up() -> None:
    with pytest.raises(OSError, match="no answer"):
        RetryingBucket(Away(*outages(1)), seconds=-1).read("name")


def test_writes_are_tried_once() -> None:
    for write in (lambda bucket: bucket.write("name", b""), lambda bucket: bucket.delete("name")):
        away = Away(*outages(1))
        with pytest.raises(OSError, match="no answer"):
            write(RetryingBucket(away, seconds=60))
        assert away.tries == 1
