"""The numbers of a run: metrics.jsonl, and the same for TensorBoard.

metrics.jsonl holds nothing that depends on the clock, so a run that was killed and continued has the same
file as one that was not. How fast it went is in TensorBoard's events and in the log.
"""

import json
import logging
import math
from pathlib import Path
from typing import Any

import tensorflow as tf

from preprocessing.errors import InputError
from trainer.evaluation import Evaluation
from trainer.store import ABSENT, Store, Version

log = logging.getLogger(__name__)

NAME = "metrics.jsonl"
TENSORBOARD = "tensorboard"


class Metrics:
    """Rows up to `step`, read back from the run's folder, and those that follow.

    A row is {"kind": "train" | "validation", "step", "epoch", "loss" (nats per character), "bits_per_char"}.
    """

    def __init__(self, store: Store, *, step: int, scratch: Path) -> None:
        self._store, self._scratch = store, scratch / TENSORBOARD
        self._writer = tf.summary.create_file_writer(str(self._scratch))
        rows, self._version = _read(store)
        self.rows = [row for row in rows if row["step"] <= step]

    def validated(self, step: int) -> bool:
        """Whether the validation after this step is already among the rows."""
        return any(row["kind"] == "validation" and row["step"] == step for row in self.rows)

    def train(self, *, step: int, epoch: int, loss: float, learning_rate: float, chars_per_second: float) -> None:
        """Adds the mean loss of the steps since the last such row."""
        row = {"kind": "train", "step": step, "epoch": epoch, **_loss(loss), "learning_rate": learning_rate}
        self.rows.append(row)
        self._scalars(row, {"speed/chars_per_second": chars_per_second, "train/learning_rate": learning_rate})

    def validation(self, *, step: int, epoch: int, result: Evaluation) -> None:
        """Adds the loss on held-out text after an epoch."""
        row = {"kind": "validation", "step": step, "epoch": epoch, **_loss(result.loss), "chars": result.chars}
        self.rows.append(row)
        self._scalars(row, {})

    def write(self) -> None:
        """Brings the rows and TensorBoard's events into the run's folder.

        Raises Conflict, with nothing changed, if another process wrote the rows since this one last did.
        """
        rows = "".join(json.dumps(row) + "\n" for row in self.rows).encode()
        self._version = self._store.write(NAME, rows, if_version=self._version)
        self._writer.flush()
        for path in sorted(self._scratch.iterdir()):
            self._store.upload(path, f"{TENSORBOARD}/{path.name}")

    def _scalars(self, row: dict[str, Any], more: dict[str, float]) -> None:
        with self._writer.as_default(step=row["step"]):
            for name in ("loss", "bits_per_char"):
                tf.summary.scalar(f"{row['kind']}/{name}", row[name])
            for name, value in more.items():
                tf.summary.scalar(name, value)


def _loss(nats: float) -> dict[str, float]:
    return {"loss": nats, "bits_per_char": nats / math.log(2)}


def _read(store: Store) -> tuple[list[dict[str, Any]], Version]:
    try:
        data, version = store.read_versioned(NAME)
    except FileNotFoundError:
        return [], ABSENT
    rows = []
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            row = json.loads(line)
            rows.append(row | {"step": int(row["step"]), "kind": str(row["kind"])})
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{store.url}/{NAME}: line {number} is no row of metrics: remove it to go on") from None
    return rows, version
