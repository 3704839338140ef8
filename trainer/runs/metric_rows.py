"""The rows of a run's metrics: metrics.jsonl, and the names of what TensorBoard has beside them.

{"kind": "train", "step", "epoch", "loss", "bits_per_char", "learning_rate"}
{"kind": "validation", "step", "epoch", "loss", "bits_per_char", "chars"}
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from preprocessing.errors import InputError
from preprocessing.storage.bucket import Store

NAME = "metrics.jsonl"
TENSORBOARD = "tensorboard/"  # the folder of its events
SPEED = "speed/chars_per_second"  # stands in the events alone, as it depends on the clock


@dataclass(frozen=True)
class Trained:
    """The mean loss, in nats per character, of the steps since the row before, and the learning rate after them."""

    kind: ClassVar = "train"
    step: int
    epoch: int
    loss: float
    bits_per_char: float
    learning_rate: float


@dataclass(frozen=True)
class Validated:
    """The loss on held-out text after an epoch, in nats per character, over `chars` predicted characters."""

    kind: ClassVar = "validation"
    step: int
    epoch: int
    loss: float
    bits_per_char: float
    chars: int


Row = Trained | Validated


def to_json(rows: Sequence[Row]) -> bytes:
    """The rows as they stand in metrics.jsonl, one a line."""
    return "".join(json.dumps({"kind": row.kind} | vars(row)) + "\n" for row in rows).encode()


def parse(data: bytes, *, place: str) -> list[Row]:
    """What `to_json` made; InputError, naming `place` and the line, for anything else."""
    rows = []
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            rows.append(_row(json.loads(line)))
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{place}: line {number} is no row of metrics: remove it to go on") from None
    return rows


def read(store: Store) -> list[Row]:
    """Those of a run so far; InputError, naming the line, for one that is none."""
    try:
        data, _ = store.read_versioned(NAME)
    except FileNotFoundError:
        return []
    return parse(data, place=f"{store.url}/{NAME}")


def _row(found: Mapping[str, Any]) -> Row:
    shared = int(found["step"]), int(found["epoch"]), float(found["loss"]), float(found["bits_per_char"])
    if found["kind"] == Trained.kind:
        return Trained(*shared, learning_rate=float(found["learning_rate"]))
    if found["kind"] == Validated.kind:
        return Validated(*shared, chars=int(found["chars"]))
    raise ValueError(found["kind"])
