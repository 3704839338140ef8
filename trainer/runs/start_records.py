"""Start records: starts/NAME.json, one for each process that trained the run.

{"began", "step", "machine", "ended", "ended_step", "how", "why", "speeds": [{"time", "step", "chars_per_second"}, ...]}

A record is written when the process begins, with each save, and when it ends. Times are in seconds since 1970. `how`
is one of the words below; a process that was killed wrote none. Speed depends on the clock. So it is here, and not in
metrics.jsonl, which an exact resume repeats byte for byte. No run depends on its records: a bucket that refuses one
costs a line in the log.
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
from trainer.runs.speed_curve import Speed, SpeedCurve
from trainer.runtime.machine import PACKAGES

log = logging.getLogger(__name__)

FOLDER = "starts/"
FINISHED, STOPPED, EVICTED, STALLED, FAILED = "finished", "stopped", "evicted", "stalled", "failed"


@with_config(FORBID_UNKNOWN_KEYS)
@dataclass(frozen=True)
class StartRecord:
    """A start: its first and last step, its machine (fact by name), how and why it ended, its speeds.

    Older versions wrote no speeds.
    """

    began: float
    step: int
    machine: Mapping[str, str]
    ended: float | None = None
    ended_step: int | None = None
    how: str | None = None
    why: str = ""
    speeds: tuple[Speed, ...] = ()


class StartRecorder:
    """The writer of this process's start record. Its `name` is unique in the run, and names sort by time."""

    def __init__(self, bucket: Bucket, *, step: int, machine: Mapping[str, str]) -> None:
        self._bucket = bucket
        began = time.time()
        self.name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(began))}-{secrets.token_hex(3)}"
        self._record, self._curve = StartRecord(began, step, machine), SpeedCurve(step)
        self._step: Callable[[], int] = lambda: step

    def add_speed(self, *, step: int, chars_per_second: float) -> None:
        """Add the speed over the steps since the last metric row, for the next write."""
        self._curve.add(Speed(round(time.time(), 3), step, chars_per_second))

    @contextmanager
    def recording(self, step: Callable[[], int], *, stop_signal: Callable[[], str]) -> Iterator[None]:
        """Write the record at the begin and at the end of the block, with how the block ended.

        `step` returns the run's step, `stop_signal` the name of the signal that stopped it.
        """
        self._step = step
        self.write()
        try:
            yield
        except Stopped:
            self._end(EVICTED if stop_signal() == "SIGTERM" else STOPPED, stop_signal())
            raise
        except BaseException as error:
            self._end(FAILED, " ".join(f"{type(error).__name__}: {error}".split())[:300])
            raise
        self._end(FINISHED)

    def record_stall(self) -> None:
        """Write the end of a process that hangs, shortly before the watchdog ends it."""
        self._end(STALLED, "no sign of progress")

    def write(self) -> None:
        """Write the record as it is now. A bucket that refuses it costs a line in the log."""
        record = replace(self._record, speeds=self._curve.points)
        try:
            self._bucket.write(f"{FOLDER}{self.name}.json", encode_json(record, ascii_only=True, end=""))
        except (OSError, InputError) as error:
            log.warning("this start's record is not written: %s", error)

    def _end(self, how: str, why: str = "") -> None:
        self._record = replace(self._record, ended=time.time(), ended_step=self._step(), how=how, why=why)
        self.write()


def read_start_records(bucket: Bucket) -> dict[str, StartRecord | None]:
    """Return all start records by name, in order of time; None for a damaged record, which is logged."""
    return {
        name.removeprefix(FOLDER).removesuffix(".json"): _read(bucket, name) for name in sorted(bucket.names(FOLDER))
    }


def count_restarts(bucket: Bucket) -> int:
    """Count the starts of a run after its first. A damaged record counts as well."""
    return max(0, len(bucket.names(FOLDER)) - 1)


def read_last_start(bucket: Bucket) -> StartRecord | None:
    """Return the newest start record; None if there is none or if it is damaged."""
    names = bucket.names(FOLDER)
    return _read(bucket, max(names)) if names else None


def log_machine_change(bucket: Bucket, machine: Mapping[str, str], *, step: int) -> None:
    """Log that bits may differ from here on, if a run that has begun continues on other hardware or packages."""
    last = read_last_start(bucket) if step else None
    changes = list_machine_changes(last.machine, machine) if last else []
    if changes:
        log.info("the bits of this run may differ from step %d on: %s", step, "; ".join(changes))


def list_machine_changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """List the facts that bits depend on and that differ, each as `name: before -> after`.

    A fact that is missing counts as `none`: a record of an earlier version may lack one, and its bits may differ.
    """
    decisive = ("CPU", "GPUs", "GPU driver", "deterministic", "precision", "replicas", *PACKAGES)
    facts = ((name, before.get(name, "none"), after.get(name, "none")) for name in decisive)
    return [f"{name}: {old} -> {new}" for name, old, new in facts if old != new]


def _read(bucket: Bucket, name: str) -> StartRecord | None:
    try:
        return parse_json(StartRecord, bucket.read(name), what="a record of a start", where=f"{bucket.url}/{name}")
    except InputError as error:
        log.warning("left out: %s", error)
        return None
