"""The history of a run, read from its folder: metric rows, samples, and each start of the trainer."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

from trainer.data.plan import TrainingPlan
from trainer.runs.checkpoint_index import newest_entry
from trainer.runs.completion import is_complete
from trainer.runs.folder import Run, plan_run
from trainer.runs.metric_rows import Trained, Validated, read_metric_rows
from trainer.runs.samples import EpochSamples, read_samples
from trainer.runs.speed_curve import Speed
from trainer.runs.start_records import StartRecord, count_restarts, read_start_records

LOST, OPEN = "lost", "under way, or lost"
# A gap between two speeds is a pause if it is longer than both: so many seconds, and so many times the median gap.
PAUSE_SECONDS, PAUSE_GAPS = 60.0, 10.0


@dataclass(frozen=True)
class Attempt:
    """A start of the trainer: a process that began or continued the run.

    Times are in seconds since 1970. `ended` is the last sign of life if the process recorded no end.
    `how` is a word of start_records, or LOST (killed, or its machine failed) or OPEN (the last start, without a
    recorded end).
    """

    began: float
    ended: float
    first_step: int
    last_step: int
    how: str
    why: str
    machine: Mapping[str, str]
    speeds: Sequence[Speed]

    @property
    def pauses(self) -> Sequence[tuple[float, float]]:
        """The pauses, as (first, last) times."""
        gaps = list(pairwise(speed.time for speed in self.speeds))
        usual = median([last - first for first, last in gaps]) if gaps else 0.0
        longest = max(PAUSE_SECONDS, PAUSE_GAPS * usual)
        return [(first, last) for first, last in gaps if last - first > longest]


@dataclass(frozen=True)
class RunHistory:
    """The recorded facts of a run.

    `step` is the step of the newest checkpoint, 0 without a checkpoint. `ended_early` tells whether the run is complete
    before the last step of its plan, because its validation loss no longer improved. `damaged` names the starts whose
    record is damaged; they are not among the attempts.
    """

    run: Run
    plan: TrainingPlan
    step: int
    ended_early: bool
    trained: Sequence[Trained]
    validated: Sequence[Validated]
    samples: Sequence[EpochSamples]
    attempts: Sequence[Attempt]
    restarts: int
    damaged: Sequence[str]

    def chars_trained(self, steps: int) -> int:
        """Count the characters that the first steps predict. The last step of an epoch may have fewer windows."""
        batch_windows = self.run.config.batch_windows
        epochs, rest = divmod(steps, self.plan.steps_per_epoch)
        windows = epochs * self.run.manifest.splits["train"]["windows"] + rest * batch_windows
        return windows * self.plan.chars_per_step // batch_windows

    def step_spans(self) -> list[tuple[float, float]]:
        """List the spans of wall time (seconds since 1970) that went into steps that count, a lower bound.

        If a restart repeats a step, the later time counts. Steps before the first row of a start do not count: their
        time contains the compilation of the first step.
        """
        spans, repeated_from = list[tuple[float, float]](), math.inf
        for attempt in reversed(self.attempts):
            for before, row in pairwise(attempt.speeds):
                if row.step < repeated_from:
                    seconds = (row.step - before.step) * self.plan.chars_per_step / row.chars_per_second
                    spans.append((row.time - seconds, row.time))
            repeated_from = min([repeated_from, *(row.step for row in attempt.speeds[:1])])
        return sorted(spans)


def read_run_history(run: Run) -> RunHistory:
    """Read a run's history. Damaged start records are left out.

    Raises InputError, with the object's name, if another object of the run is damaged.
    """
    bucket = run.bucket
    rows = read_metric_rows(bucket)
    entry = newest_entry(bucket)
    records = read_start_records(bucket)
    plan = plan_run(run.config, run.manifest)
    return RunHistory(
        run=run,
        plan=plan,
        step=entry.step if entry else 0,
        ended_early=entry is not None and entry.step < plan.steps and is_complete(entry, plan, rows),
        trained=[row for row in rows if isinstance(row, Trained)],
        validated=[row for row in rows if isinstance(row, Validated)],
        samples=read_samples(bucket),
        attempts=list_attempts([record for record in records.values() if record]),
        restarts=count_restarts(bucket),
        damaged=[name for name, record in records.items() if record is None],
    )


def list_attempts(records: Sequence[StartRecord]) -> list[Attempt]:
    """List all starts in order of time."""
    attempts = sorted(map(_attempt, records), key=lambda attempt: attempt.began)
    return [*(_restarted(attempt, after) for attempt, after in pairwise(attempts)), *attempts[-1:]]


def _attempt(record: StartRecord) -> Attempt:
    times = [record.began, *(speed.time for speed in record.speeds), record.ended or 0.0]
    steps = [record.step, *(speed.step for speed in record.speeds), record.ended_step or 0]
    how = record.how or OPEN
    return Attempt(record.began, max(times), record.step, max(steps), how, record.why, record.machine, record.speeds)


def _restarted(attempt: Attempt, after: Attempt) -> Attempt:
    """Complete an attempt with the facts that the next attempt shows: it is over, and which step it saved at least."""
    how = LOST if attempt.how == OPEN else attempt.how
    return replace(attempt, how=how, last_step=max(attempt.last_step, after.first_step))
