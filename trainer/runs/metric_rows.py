"""The rows of a run's metrics: metrics.jsonl, and the names of what TensorBoard has beside them.

{"kind": "train", "step", "epoch", "loss", "bits_per_char", "learning_rate"}
{"kind": "validation", "step", "epoch", "loss", "bits_per_char", "chars"}
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from preprocessing.errors import InputError
from preprocessing.json_format import encode_json, parse_json
from preprocessing.storage.bucket import Bucket

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
ROWS: dict[str, type[Row]] = {row.kind: row for row in (Trained, Validated)}


@dataclass(frozen=True)
class _Kind:
    kind: Literal["train", "validation"]


def to_json(rows: Sequence[Row]) -> bytes:
    """The rows as they stand in metrics.jsonl, one a line."""
    return b"".join(encode_json({"kind": row.kind} | vars(row), indent=None) for row in rows)


def parse(data: bytes, *, where: str) -> list[Row]:
    """Return the rows that `to_json` wrote. Raises InputError, which names `where` and the line, otherwise."""
    return [_row(line, where=f"{where}: line {number}") for number, line in enumerate(data.splitlines(), start=1)]


def read(store: Bucket) -> list[Row]:
    """Those of a run so far; InputError, naming the line, for one that is none."""
    try:
        data, _ = store.read_versioned(NAME)
    except FileNotFoundError:
        return []
    return parse(data, where=f"{store.url}/{NAME}")


def _row(line: bytes, *, where: str) -> Row:
    what = "a row of metrics"
    try:
        kind = parse_json(_Kind, line, what=what, where=where).kind
        return parse_json(ROWS[kind], line, what=what, where=where)
    except InputError as error:
        raise InputError(f"{error}: remove the line to go on") from None
