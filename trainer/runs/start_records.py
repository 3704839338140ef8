"""What each start of a run leaves of itself: starts/NAME.json, written when it begins and again when it ends.

{"began", "step", "machine", "ended", "ended_step", "how", "why"}

Times are in seconds since 1970. `how` it ended is one of the words below; a process that was killed wrote none. All
of it is for people: no run depends on it, and a store that does not take it costs a line in the log.
"""

import logging
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from pydantic import with_config

from preprocessing.errors import InputError, Stopped
from preprocessing.json_format import FORBID_UNKNOWN_KEYS, encode_json, parse_json
from preprocessing.storage.bucket import Bucket

log = logging.getLogger(__name__)

FOLDER = "starts/"
FINISHED, STOPPED, EVICTED, STALLED, FAILED = "finished", "stopped", "evicted", "stalled", "failed"


@with_config(FORBID_UNKNOWN_KEYS)
@dataclass(frozen=True)
class Record:
    """One start: at which step it began and ended, on which machine (fact by name), how it ended and, in words, why."""

    began: float
    step: int
    machine: Mapping[str, str]
    ended: float | None = None
    ended_step: int | None = None
    how: str | None = None
    why: str = ""


class OwnStart:
    """This process's, of a run that is at `step`. Its `name` is no other start's, and sorts by time."""

    def __init__(self, store: Bucket, *, step: int, machine: Mapping[str, str]) -> None:
        self._store = store
        began = time.time()
        self.name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(began))}-{secrets.token_hex(3)}"
        self._record = Record(began, step, machine)
        self._step: Callable[[], int] = lambda: step

    @contextmanager
    def told(self, step: Callable[[], int], *, asked_by: Callable[[], str]) -> Iterator[None]:
        """Around the run: writes that it began, and how it ended.

        `step` tells how far it is, `asked_by` names the signal that stopped it.
        """
        self._step = step
        self._write(self._record)
        try:
            yield
        except Stopped:
            self._end(EVICTED if asked_by() == "SIGTERM" else STOPPED, asked_by())
            raise
        except BaseException as error:
            self._end(FAILED, " ".join(f"{type(error).__name__}: {error}".split())[:300])
            raise
        self._end(FINISHED)

    def stalled(self) -> None:
        """To be called shortly before a process that hangs ends itself."""
        self._end(STALLED, "no sign of progress")

    def _end(self, how: str, why: str = "") -> None:
        self._write(replace(self._record, ended=time.time(), ended_step=self._step(), how=how, why=why))

    def _write(self, record: Record) -> None:
        try:
            self._store.write(f"{FOLDER}{self.name}.json", encode_json(record, ascii_only=True, end=""))
        except (OSError, InputError) as error:
            log.warning("what is known of this start is not kept: %s", error)


def read(store: Bucket) -> dict[str, Record]:
    """All starts by name, in order; one that is damaged is left out, as nothing depends on it."""
    found = {}
    for name in sorted(store.names(FOLDER)):
        data, _ = store.read_versioned(name)
        try:
            record = parse_json(Record, data, what="a record of a start", where=f"{store.url}/{name}")
        except InputError as error:
            log.warning("left out: %s", error)
        else:
            found[name.removeprefix(FOLDER).removesuffix(".json")] = record
    return found
