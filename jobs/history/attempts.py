"""The starts of a run, from what each left of itself and from TensorBoard's events, and the pauses in them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

from jobs.history.events import Start
from trainer.runs.start_records import Record

LOST, OPEN, UNKNOWN = "lost", "under way, or lost", "not recorded"
PAUSE_SECONDS, PAUSE_ROWS = 60.0, 10.0  # between two rows, and times the usual: what is longer than both is a pause


@dataclass(frozen=True)
class Attempt:
    """One start: times in seconds since 1970, the last sign of it where it did not say that it ended.

    `how` is a word of start_records, LOST where the process was killed or its machine went, OPEN for the last start
    that has not said how it ended, and UNKNOWN for one of a version that left nothing of itself.
    """

    began: float
    ended: float
    first_step: int
    last_step: int
    how: str
    why: str
    machine: Mapping[str, str]
    pauses: tuple[tuple[float, float], ...]


def attempts(records: Mapping[str, Record], events: Mapping[str, Start]) -> list[Attempt]:
    """All starts in order. `events` are by the names of their files, of which each ends with its start's name."""
    of = {name.rpartition(".")[2]: start for name, start in events.items()}
    recorded = [_recorded(record, of.get(name)) for name, record in records.items()]
    others = [_unrecorded(start) for name, start in events.items() if name.rpartition(".")[2] not in records]
    found = sorted([*recorded, *others], key=lambda attempt: attempt.began)
    return [*(_followed(one, after) for one, after in pairwise(found)), *found[-1:]]


def _recorded(record: Record, start: Start | None) -> Attempt:
    signs = [record.began, *([start.ended] if start else []), *([record.ended] if record.ended else [])]
    steps = [record.step, *_steps(start), *([record.ended_step] if record.ended_step is not None else [])]
    how = record.how or OPEN
    return Attempt(record.began, max(signs), record.step, max(steps), how, record.why, record.machine, _pauses(start))


def _unrecorded(start: Start) -> Attempt:
    steps = [*_steps(start)] or [0]
    return Attempt(start.began, start.ended, steps[0], steps[-1], UNKNOWN, "", {}, _pauses(start))


def _followed(attempt: Attempt, after: Attempt) -> Attempt:
    """One after which the run was started again, where it had come to: of a kill its last events do not tell."""
    last_step = max(attempt.last_step, after.first_step) if after.machine else attempt.last_step
    return replace(attempt, how=LOST if attempt.how == OPEN else attempt.how, last_step=last_step)


def _steps(start: Start | None) -> Iterator[int]:
    return (speed.step for speed in start.speeds) if start else iter(())


def _pauses(start: Start | None) -> tuple[tuple[float, float], ...]:
    """Between two rows, where that took much longer than it usually did."""
    times: Sequence[float] = [speed.time for speed in start.speeds] if start else []
    gaps = [after - before for before, after in pairwise(times)]
    longest = max(PAUSE_SECONDS, PAUSE_ROWS * median(gaps)) if gaps else 0.0
    return tuple((before, after) for before, after in pairwise(times) if after - before > longest)
