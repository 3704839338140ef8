"""What a run has left in its folder so far: its rows of metrics, its samples, and TensorBoard's events."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs import events
from jobs.events import Start
from jobs.storage import Bucket
from preprocessing.errors import InputError
from trainer import pointer, samples
from trainer.samples import Epoch

METRICS, SAMPLES, TENSORBOARD = "metrics.jsonl", "samples/", "tensorboard/"


@dataclass(frozen=True)
class Trained:
    """A row of training: mean bits per character of the steps since the row before."""

    step: int
    bits_per_char: float
    learning_rate: float


@dataclass(frozen=True)
class Validated:
    """A row of validation, after an epoch, over `chars` predicted characters."""

    step: int
    epoch: int
    bits_per_char: float
    chars: int


@dataclass(frozen=True)
class History:
    """`step`: that of the newest checkpoint, 0 without any. `damaged`: the events' files that are not whole."""

    step: int
    trained: Sequence[Trained]
    validated: Sequence[Validated]
    samples: Sequence[Epoch]
    starts: Sequence[Start]
    damaged: Sequence[str]


def read(bucket: Bucket) -> History:
    """InputError, naming the object, where what the trainer wrote was damaged; events may be, and are left out."""
    rows = list(_rows(bucket))
    found = _events(bucket)
    return History(
        step=_step(bucket),
        trained=[row for row in rows if isinstance(row, Trained)],
        validated=[row for row in rows if isinstance(row, Validated)],
        samples=sorted(_samples(bucket), key=lambda one: one.epoch),
        starts=sorted((start for start in found.values() if start), key=lambda start: start.began),
        damaged=[name for name, start in found.items() if start is None or not start.whole],
    )


def _step(bucket: Bucket) -> int:
    saved = pointer.newest(bucket)
    return saved.step if saved else 0


def _rows(bucket: Bucket) -> Iterator[Trained | Validated]:
    try:
        lines = bucket.read(METRICS).splitlines()
    except FileNotFoundError:
        return
    for number, line in enumerate(lines, start=1):
        try:
            yield _row(json.loads(line))
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{bucket.url}/{METRICS}: line {number} is no row of metrics") from None


def _row(row: Mapping[str, Any]) -> Trained | Validated:
    step, bits = int(row["step"]), float(row["bits_per_char"])
    if row["kind"] == "train":
        return Trained(step, bits, float(row["learning_rate"]))
    return Validated(step, int(row["epoch"]), bits, int(row["chars"]))


def _events(bucket: Bucket) -> dict[str, Start | None]:
    names = [name for name in bucket.names(TENSORBOARD) if "tfevents" in name]
    with tempfile.TemporaryDirectory(prefix="report-") as scratch:
        return {name: events.read(bucket.local(name, Path(scratch))) for name in names}


def _samples(bucket: Bucket) -> Iterator[Epoch]:
    for name in bucket.names(SAMPLES):
        if name.endswith(".json"):
            yield samples.from_json(bucket.read(name), place=f"{bucket.url}/{name}")
