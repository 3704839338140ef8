"""The numbers of a run: metrics.jsonl, and the same for TensorBoard.

metrics.jsonl holds nothing that depends on the clock, so a run that was killed and continued has the same
file as one that was not. How fast it went is in TensorBoard's events and in the log.
"""

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf

from trainer.evaluation import Evaluation
from trainer.owned import Owned
from trainer.rows import NAME, SPEED, TENSORBOARD, Row, Trained, Validated, parse, to_json
from trainer.store import Store

log = logging.getLogger(__name__)


class Metrics:
    """Rows up to `step`, read back from the run's folder, and those that follow."""

    def __init__(self, store: Store, *, step: int, scratch: Path) -> None:
        self._store, self._scratch = store, scratch / TENSORBOARD
        self._writer = tf.summary.create_file_writer(str(self._scratch))
        self._file = Owned(store, NAME)
        self._written = self._file.read() or b""
        self.rows = [row for row in parse(self._written, place=f"{store.url}/{NAME}") if row.step <= step]

    def train(self, *, step: int, epoch: int, loss: float, learning_rate: float, chars_per_second: float) -> None:
        """Adds the mean loss of the steps since the last such row."""
        row = Trained(step, epoch, loss, loss / math.log(2), learning_rate)
        self.rows.append(row)
        self._scalars(row, {SPEED: chars_per_second, "train/learning_rate": learning_rate})

    def validation(self, *, step: int, epoch: int, result: Evaluation) -> None:
        """Adds the loss on held-out text after an epoch; in place of such a row that a killed process wrote."""
        row = Validated(step, epoch, result.loss, result.loss / math.log(2), result.chars)
        self.rows = [one for one in self.rows if (one.kind, one.step) != (row.kind, step)] + [row]
        self._scalars(row, {})

    def text(self) -> bytes:
        """The rows as they stand in metrics.jsonl."""
        return to_json(self.rows)

    @property
    def due(self) -> bool:
        """Whether there are rows that are not in the run's folder yet."""
        return self.text() != self._written

    def write(self, text: bytes) -> None:
        """Brings rows, and TensorBoard's events, into the run's folder; beside a thread that adds others.

        Raises Conflict, with nothing changed, if another process wrote the rows since this one last did.
        """
        self._file.write(text)
        self._written = text
        with _events():
            self._writer.flush()
        for path in sorted(self._scratch.iterdir()):
            self._store.write(f"{TENSORBOARD}{path.name}", path.read_bytes())

    def _scalars(self, row: Row, more: dict[str, float]) -> None:
        with _events(), self._writer.as_default(step=row.step):
            tf.summary.scalar(f"{row.kind}/loss", row.loss)
            tf.summary.scalar(f"{row.kind}/bits_per_char", row.bits_per_char)
            for name, value in more.items():
                tf.summary.scalar(name, value)


@contextmanager
def _events() -> Iterator[None]:
    """A full disk costs TensorBoard some events; the rows, which are in memory, lose nothing."""
    try:
        yield
    except tf.errors.OpError as error:
        log.warning("some of TensorBoard's events are lost: %s", error.message)
