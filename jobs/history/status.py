"""The status of a run as of its last save, read from its folder."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import harmonic_mean
from typing import Any

from jobs.history import events
from preprocessing.storage.bucket import Bucket
from trainer.runs import checkpoint_index, metric_rows, samples, start_records
from trainer.runs.checkpoint_index import CHECKPOINT_INDEX
from trainer.runs.folder import Run, plan_run
from trainer.runs.metric_rows import Trained, Validated
from trainer.runs.samples import Epoch

RECENT_ROWS = 10  # the rate is the mean of the last metric rows
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
    samples: Epoch | None

    def as_json(self) -> Mapping[str, Any]:
        """Return JSON values, with only the last training loss and the last validation loss."""
        losses = {"training": self.training, "validation": self.validation}
        return asdict(self) | {name: values[-1] if values else None for name, values in losses.items()}


def read_status(run: Run) -> Status:
    """Read a run's status.

    Raises InputError, with the object's name, for a damaged object, and OSError if the store is unreachable.
    """
    bucket, plan = run.bucket, plan_run(run.config, run.manifest)
    saved = checkpoint_index.newest_entry(bucket)
    step = saved.step if saved else 0
    saved_seconds = time.time() - bucket.stat(CHECKPOINT_INDEX).written_seconds if saved else None
    rows, rate = metric_rows.read(bucket), _rate(bucket)
    return Status(
        run=bucket.url,
        state=_state(run, saved_seconds, complete=saved is not None and saved.ends(plan.steps)),
        step=step,
        steps=plan.steps,
        epoch=step / plan.steps_per_epoch,
        epochs=plan.steps / plan.steps_per_epoch,
        training=[row.bits_per_char for row in rows if isinstance(row, Trained)],
        validation=[row.bits_per_char for row in rows if isinstance(row, Validated)],
        chars_per_second=rate,
        seconds_left=(plan.steps - step) * plan.chars_per_step / rate if rate else None,
        saved_seconds=saved_seconds,
        restarts=max(0, len(bucket.names(start_records.FOLDER)) - 1),
        samples=samples.last(bucket),
    )


def _state(run: Run, saved_seconds: float | None, *, complete: bool) -> str:
    if complete:
        return "complete"
    if saved_seconds is None:
        return "begun"
    return "silent" if saved_seconds > LATE_SAVES * run.config.checkpoint.every_seconds else "under way"


def _rate(bucket: Bucket) -> float | None:
    """Return characters per second over the last rows of the last start."""
    names = events.names(bucket)
    start = events.fetched(bucket, names[-1]) if names else None
    recent = [speed.chars_per_second for speed in start.speeds[-RECENT_ROWS:]] if start else []
    return harmonic_mean(recent) if recent else None
