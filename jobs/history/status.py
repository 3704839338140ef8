"""The status of a run as of its last save, read from its folder."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import harmonic_mean
from typing import Any

from trainer.runs.checkpoint_index import CHECKPOINT_INDEX, newest_entry
from trainer.runs.completion import is_complete
from trainer.runs.folder import Run, plan_run
from trainer.runs.metric_rows import Trained, Validated, read_metric_rows
from trainer.runs.samples import EpochSamples, read_last_samples
from trainer.runs.start_records import StartRecord, count_restarts, read_last_start

RECENT_ROWS = 10  # the rate is the mean of the last speeds, each of one metric row or more
LATE_SAVES = 5  # intervals without a save after which a run is silent: it may be stopped, or in a long validation


@dataclass(frozen=True)
class Status:
    """The state, progress and losses of a run.

    `state` is begun (no save yet), under way, silent or complete. Losses are in bits per character, in order.
    `saved_seconds` is the time since the last save. None: not known yet.
    """

    run: str
    state: str
    step: int
    steps: int
    epoch: float
    epochs: float
    training: Sequence[float]
    validation: Sequence[float]
    chars_per_second: float | None
    seconds_left: float | None
    saved_seconds: float | None
    restarts: int
    samples: EpochSamples | None

    def as_json(self) -> Mapping[str, Any]:
        """Return JSON values, with only the last training loss and the last validation loss."""
        losses = {"training": self.training, "validation": self.validation}
        return asdict(self) | {name: values[-1] if values else None for name, values in losses.items()}


def read_status(run: Run) -> Status:
    """Read a run's status.

    Raises InputError, with the object's name, for a damaged object, and OSError if the store is unreachable.
    """
    bucket, plan = run.bucket, plan_run(run.config, run.manifest)
    saved = newest_entry(bucket)
    step = saved.step if saved else 0
    saved_seconds = time.time() - bucket.stat(CHECKPOINT_INDEX).written_seconds if saved else None
    rows, rate = read_metric_rows(bucket), _rate(read_last_start(bucket))
    return Status(
        run=bucket.url,
        state=_state(run, saved_seconds, complete=saved is not None and is_complete(saved, plan, rows)),
        step=step,
        steps=plan.steps,
        epoch=step / plan.steps_per_epoch,
        epochs=plan.steps / plan.steps_per_epoch,
        training=[row.bits_per_char for row in rows if isinstance(row, Trained)],
        validation=[row.bits_per_char for row in rows if isinstance(row, Validated)],
        chars_per_second=rate,
        seconds_left=(plan.steps - step) * plan.chars_per_step / rate if rate else None,
        saved_seconds=saved_seconds,
        restarts=count_restarts(bucket),
        samples=read_last_samples(bucket),
    )


def _state(run: Run, saved_seconds: float | None, *, complete: bool) -> str:
    if complete:
        return "complete"
    if saved_seconds is None:
        return "begun"
    return "silent" if saved_seconds > LATE_SAVES * run.config.checkpoint.every_seconds else "under way"


def _rate(start: StartRecord | None) -> float | None:
    """Return characters per second over the last metric rows of a start."""
    recent = [speed.chars_per_second for speed in start.speeds[-RECENT_ROWS:]] if start else []
    return harmonic_mean(recent) if recent else None
