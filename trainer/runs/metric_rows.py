"""metrics.jsonl: the metric rows of a run, one on each line.

{"kind": "train", "step", "epoch", "loss", "bits_per_char", "learning_rate"}
{"kind": "validation", "step", "epoch", "loss", "bits_per_char", "chars"}
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from preprocessing.errors import InputError
from preprocessing.json_format import encode_json, parse_json
from preprocessing.storage.bucket import Bucket

METRICS = "metrics.jsonl"


@dataclass(frozen=True)
class Trained:
    """The mean loss, in nats per character, of the steps since the last training row; the learning rate after them."""

    kind: ClassVar = "train"
    step: int
    epoch: int
    loss: float
    bits_per_char: float
    learning_rate: float


@dataclass(frozen=True)
class Validated:
    """The loss on held-out text after `step` steps, in nats per character, over `chars` predicted characters."""

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


def encode_metric_rows(rows: Sequence[Row]) -> bytes:
    """Return the content of metrics.jsonl."""
    return b"".join(encode_json({"kind": row.kind} | vars(row), indent=None) for row in rows)


def parse_metric_rows(data: bytes, *, where: str) -> list[Row]:
    """Return the rows of metrics.jsonl. Raises InputError, which names `where` and the line, otherwise."""
    return [_row(line, where=f"{where}: line {number}") for number, line in enumerate(data.splitlines(), start=1)]


def read_metric_rows(bucket: Bucket) -> list[Row]:
    """Return the metric rows of a run so far. Raises InputError, which names the line, if one is damaged."""
    try:
        data = bucket.read(METRICS)
    except FileNotFoundError:
        return []
    return parse_metric_rows(data, where=f"{bucket.url}/{METRICS}")


def _row(line: bytes, *, where: str) -> Row:
    what = "a row of metrics"
    try:
        kind = parse_json(_Kind, line, what=what, where=where).kind
        return parse_json(ROWS[kind], line, what=what, where=where)
    except InputError as error:
        raise InputError(f"{error}: remove the line to go on") from None
