"""What a run has left in its folder so far: its rows of metrics, its samples, its starts and TensorBoard's events."""

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.history import events
from jobs.history.attempts import Attempt, attempts
from jobs.history.events import Start
from preprocessing.storage.urls import Bucket
from trainer.runs import checkpoint_index, metric_rows, samples, start_records
from trainer.runs.metric_rows import Trained, Validated
from trainer.runs.samples import Epoch


@dataclass(frozen=True)
class History:
    """`step`: that of the newest checkpoint, 0 without any. `starts` are those of the events, `attempts` all that are
    known of. `damaged`: the events' files that are not whole.
    """

    step: int
    trained: Sequence[Trained]
    validated: Sequence[Validated]
    samples: Sequence[Epoch]
    starts: Sequence[Start]
    attempts: Sequence[Attempt]
    damaged: Sequence[str]


def read(bucket: Bucket) -> History:
    """InputError, naming the object, where what the trainer wrote was damaged; events may be, and are left out."""
    metrics = metric_rows.read(bucket)
    found = {name: events.fetched(bucket, name) for name in events.names(bucket)}
    return History(
        step=_step(bucket),
        trained=[row for row in metrics if isinstance(row, Trained)],
        validated=[row for row in metrics if isinstance(row, Validated)],
        samples=samples.read(bucket),
        starts=sorted((start for start in found.values() if start), key=lambda start: start.began),
        attempts=attempts(start_records.read(bucket), {name: start for name, start in found.items() if start}),
        damaged=[name for name, start in found.items() if start is None or not start.whole],
    )


def _step(bucket: Bucket) -> int:
    saved = checkpoint_index.newest(bucket)
    return saved.step if saved else 0
