"""The history of a run, read from its folder: metric rows, samples, and each start of the trainer."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

from jobs.history import events
from jobs.history.events import Start
from trainer.data.order import TrainingPlan
from trainer.runs import checkpoint_index, metric_rows, samples, start_records
from trainer.runs.folder import Run, plan_run
from trainer.runs.metric_rows import Trained, Validated
from trainer.runs.samples import Epoch
from trainer.runs.start_records import Record

LOST, OPEN, UNKNOWN = "lost", "under way, or lost", "not recorded"
# A gap between two metric rows is a pause if it is longer than both: so many seconds, and so many times the median gap.
PAUSE_SECONDS, PAUSE_GAPS = 60.0, 10.0


@dataclass(frozen=True)
class Attempt:
    """A start of the trainer: a process that began or continued the run.

    Times are in seconds since 1970. `ended` is the last sign of life if the process recorded no end.
    `how` is a word of start_records, or LOST (killed, or its machine failed), OPEN (the last start, without a recorded
    end) or UNKNOWN (made by a version that wrote no start records). `pauses` are (first, last) times.
    """

    began: float
    ended: float
    first_step: int
    last_step: int
    how: str
    why: str
    machine: Mapping[str, str]
    pauses: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class RunHistory:
    """The recorded facts of a run.

    `step` is the step of the newest checkpoint, 0 without a checkpoint. `starts` are the events of each start,
    `attempts` all starts that left any trace. `damaged` names the event files that end in a damaged record.
    """

    run: Run
    plan: TrainingPlan
    step: int
    trained: Sequence[Trained]
    validated: Sequence[Validated]
    samples: Sequence[Epoch]
    starts: Sequence[Start]
    attempts: Sequence[Attempt]
    damaged: Sequence[str]

    def chars_trained(self, steps: int) -> int:
        """Count the characters that the first steps predict. The last step of an epoch may have fewer windows."""
        batch_windows = self.run.config.batch_windows
        epochs, rest = divmod(steps, self.plan.steps_per_epoch)
        windows = epochs * self.run.manifest.splits["train"]["windows"] + rest * batch_windows
        return windows * self.plan.chars_per_step // batch_windows


def read_run_history(run: Run) -> RunHistory:
    """Read a run's history. Damaged events are left out.

    Raises InputError, with the object's name, if another object of the run is damaged.
    """
    bucket = run.bucket
    rows = metric_rows.read(bucket)
    saved = checkpoint_index.newest_entry(bucket)
    found = {name: events.fetched(bucket, name) for name in events.names(bucket)}
    readable = {name: start for name, start in found.items() if start}
    return RunHistory(
        run=run,
        plan=plan_run(run.config, run.manifest),
        step=saved.step if saved else 0,
        trained=[row for row in rows if isinstance(row, Trained)],
        validated=[row for row in rows if isinstance(row, Validated)],
        samples=samples.read(bucket),
        starts=sorted(readable.values(), key=lambda start: start.began),
        attempts=list_attempts(start_records.read(bucket), readable),
        damaged=[name for name, start in found.items() if start is None or not start.whole],
    )


def list_attempts(records: Mapping[str, Record], events: Mapping[str, Start]) -> list[Attempt]:
    """List all starts in order of time.

    `records` are by the start's name, `events` by file name, which ends with the start's name.
    """
    by_start = {name.rpartition(".")[2]: start for name, start in events.items()}
    recorded = [_recorded(record, by_start.get(name)) for name, record in records.items()]
    unrecorded = [_unrecorded(start) for name, start in events.items() if name.rpartition(".")[2] not in records]
    attempts = sorted([*recorded, *unrecorded], key=lambda attempt: attempt.began)
    return [*(_restarted(attempt, after) for attempt, after in pairwise(attempts)), *attempts[-1:]]


def _recorded(record: Record, start: Start | None) -> Attempt:
    times = [record.began, *([start.ended] if start else []), *([record.ended] if record.ended else [])]
    steps = [record.step, *_steps(start), *([record.ended_step] if record.ended_step is not None else [])]
    how = record.how or OPEN
    return Attempt(record.began, max(times), record.step, max(steps), how, record.why, record.machine, _pauses(start))


def _unrecorded(start: Start) -> Attempt:
    steps = [*_steps(start)] or [0]
    return Attempt(start.began, start.ended, steps[0], steps[-1], UNKNOWN, "", {}, _pauses(start))


def _restarted(attempt: Attempt, after: Attempt) -> Attempt:
    """Complete an attempt with the facts that the next attempt shows: it is over, and which step it saved at least."""
    last_step = max(attempt.last_step, after.first_step) if after.machine else attempt.last_step
    return replace(attempt, how=LOST if attempt.how == OPEN else attempt.how, last_step=last_step)


def _steps(start: Start | None) -> Iterator[int]:
    return (speed.step for speed in start.speeds) if start else iter(())


def _pauses(start: Start | None) -> tuple[tuple[float, float], ...]:
    times: Sequence[float] = [speed.time for speed in start.speeds] if start else []
    gaps = [after - before for before, after in pairwise(times)]
    longest = max(PAUSE_SECONDS, PAUSE_GAPS * median(gaps)) if gaps else 0.0
    return tuple((before, after) for before, after in pairwise(times) if after - before > longest)
