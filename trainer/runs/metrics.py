"""The numbers of a run: metrics.jsonl, and the same for TensorBoard, with samples and hyperparameters.

metrics.jsonl holds nothing that depends on the clock, so a run that was killed and continued has the same
file as one that was not. How fast it went is in TensorBoard's events and in the log.
"""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams

from preprocessing.storage.bucket import Bucket, VersionedObject
from trainer.runs.metric_rows import NAME, SPEED, TENSORBOARD, Row, Trained, Validated, parse, to_json
from trainer.runs.samples import Sample

log = logging.getLogger(__name__)


class Metrics:
    """Rows up to `step`, read back from the run's folder, and those that follow.

    `start` ends the name of the events' file. `folder` is where TensorBoard's files are until they are brought into
    the run's folder: others may be added.
    """

    def __init__(self, store: Bucket, *, step: int, scratch: Path, start: str = "v2") -> None:
        self._store, self.folder = store, scratch / TENSORBOARD
        self._brought: dict[str, int] = {}  # bytes of each of TensorBoard's files that are in the run's folder
        self._writer = tf.summary.create_file_writer(str(self.folder), filename_suffix=f".{start}")
        self._file = VersionedObject(store, NAME)
        self._written = self._file.read() or b""
        self.rows = [row for row in parse(self._written, where=f"{store.url}/{NAME}") if row.step <= step]

    def train(self, *, step: int, epoch: int, loss: float, learning_rate: float, chars_per_second: float) -> None:
        """Adds the mean loss of the steps since the last such row."""
        row = Trained(step, epoch, loss, loss / math.log(2), learning_rate)
        self.rows.append(row)
        self._scalars(row, {SPEED: chars_per_second, "train/learning_rate": learning_rate})

    def validation(self, *, step: int, epoch: int, loss: float, chars: int) -> None:
        """Adds the loss on held-out text after an epoch; in place of such a row that a killed process wrote."""
        row = Validated(step, epoch, loss, loss / math.log(2), chars)
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
        for path in sorted(path for path in self.folder.rglob("*") if path.is_file()):
            self._bring(path)

    def _bring(self, path: Path) -> None:
        """One of TensorBoard's files, which only grow."""
        name, data = f"{TENSORBOARD}{path.relative_to(self.folder).as_posix()}", path.read_bytes()
        if len(data) != self._brought.get(name):
            self._store.write(name, data)
            self._brought[name] = len(data)

    def hyperparameters(self, values: Mapping[str, bool | int | float | str]) -> None:
        """For TensorBoard's table of the runs below one folder, beside the loss on held-out text."""
        metric = hparams.Metric(f"{Validated.kind}/bits_per_char", display_name="validation, bits per character")
        with _events(), self._writer.as_default(step=0):
            hparams.hparams_config([hparams.HParam(key) for key in values], [metric])
            hparams.hparams(dict(values))

    def samples(self, samples: Sequence[Sample], *, step: int) -> None:
        """The samples after an epoch, as text, by diversity."""
        with _events(), self._writer.as_default(step=step):
            for sample in samples:
                tf.summary.text(f"samples/diversity {sample.diversity:g}", _markdown(sample))

    def _scalars(self, row: Row, more: dict[str, float]) -> None:
        with _events(), self._writer.as_default(step=row.step):
            tf.summary.scalar(f"{row.kind}/loss", row.loss)
            tf.summary.scalar(f"{row.kind}/bits_per_char", row.bits_per_char)
            for name, value in more.items():
                tf.summary.scalar(name, value)


def _markdown(sample: Sample) -> str:
    """As TensorBoard shows it unchanged, whatever its symbols mean there: indented."""
    parts = ("prompt:", _indented(sample.prompt), "sample:", _indented(sample.text))
    return "\n\n".join(parts).encode(errors="backslashreplace").decode()


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines() or [""])


@contextmanager
def _events() -> Iterator[None]:
    """A full disk costs TensorBoard some events; the rows, which are in memory, lose nothing."""
    try:
        yield
    except tf.errors.OpError as error:
        log.warning("some of TensorBoard's events are lost: %s", error.message)
