"""The numbers of a run: metrics.jsonl, TensorBoard's events, and the speed in the start record.

metrics.jsonl holds nothing that depends on the clock: a run that was killed and continued has the same bytes as a run
that was not. Speed is in the start record, in TensorBoard's events and in the log.
"""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams

from preprocessing.storage.bucket import Bucket, VersionedObject
from trainer.runs.metric_rows import METRICS, Row, Trained, Validated, encode_metric_rows, parse_metric_rows
from trainer.runs.samples import Sample
from trainer.runs.start_records import StartRecorder

log = logging.getLogger(__name__)

TENSORBOARD = "tensorboard/"  # the folder of the events


class Metrics:
    """The metric rows up to `step`, read from the run's folder, and all rows that follow.

    `recorder` gets the speeds, and its name ends the name of the events file. `folder` is the local folder of
    TensorBoard's files until `write` copies them to the run's folder. Other files may be added there.
    """

    def __init__(self, bucket: Bucket, *, step: int, scratch: Path, recorder: StartRecorder | None = None) -> None:
        self._bucket, self.folder, self._recorder = bucket, scratch / TENSORBOARD, recorder
        self._copied: dict[str, int] = {}  # bytes of each of TensorBoard's files in the run's folder
        suffix = f".{recorder.name}" if recorder else ""
        self._writer = tf.summary.create_file_writer(str(self.folder), filename_suffix=suffix)
        self._file = VersionedObject(bucket, METRICS)
        self._written = self._file.read() or b""
        rows = parse_metric_rows(self._written, where=f"{bucket.url}/{METRICS}")
        self.rows: list[Row] = [row for row in rows if row.step <= step]

    def train(self, *, step: int, epoch: int, loss: float, learning_rate: float, chars_per_second: float) -> None:
        """Add the mean loss of the steps since the last training row, in nats per character."""
        row = Trained(step, epoch, loss, loss / math.log(2), learning_rate)
        self.rows.append(row)
        self._scalars(row, {"speed/chars_per_second": chars_per_second, "train/learning_rate": learning_rate})
        if self._recorder:
            self._recorder.add_speed(step=step, chars_per_second=chars_per_second)

    def validation(self, *, step: int, epoch: int, loss: float, chars: int) -> None:
        """Add the loss on held-out text. It replaces the row that a killed process wrote."""
        row = Validated(step, epoch, loss, loss / math.log(2), chars)
        self.rows = [other for other in self.rows if (other.kind, other.step) != (row.kind, step)] + [row]
        self._scalars(row, {})

    def text(self) -> bytes:
        """Return the content of metrics.jsonl."""
        return encode_metric_rows(self.rows)

    @property
    def due(self) -> bool:
        """True if there are rows that are not in the run's folder yet."""
        return self.text() != self._written

    def write(self, text: bytes) -> None:
        """Write metrics.jsonl, TensorBoard's files and the start record. Another thread may add rows meanwhile.

        Raises Conflict, with nothing changed, if another process wrote metrics.jsonl since this process did.
        """
        self._file.write(text)
        self._written = text
        if self._recorder:
            self._recorder.write()
        with _lost_events_logged():
            self._writer.flush()
        for path in sorted(path for path in self.folder.rglob("*") if path.is_file()):
            self._copy(path)

    def _copy(self, path: Path) -> None:
        """Copy one of TensorBoard's files to the run's folder, if it grew."""
        name, data = f"{TENSORBOARD}{path.relative_to(self.folder).as_posix()}", path.read_bytes()
        if len(data) != self._copied.get(name):
            self._bucket.write(name, data)
            self._copied[name] = len(data)

    def hyperparameters(self, values: Mapping[str, bool | int | float | str]) -> None:
        """Add a row to TensorBoard's table of runs, which shows it beside the loss on held-out text."""
        metric = hparams.Metric(f"{Validated.kind}/bits_per_char", display_name="validation, bits per character")
        with _lost_events_logged(), self._writer.as_default(step=0):
            hparams.hparams_config([hparams.HParam(key) for key in values], [metric])
            hparams.hparams(dict(values))

    def samples(self, samples: Sequence[Sample], *, step: int) -> None:
        """Add the samples after a validation as texts by diversity."""
        with _lost_events_logged(), self._writer.as_default(step=step):
            for sample in samples:
                tf.summary.text(f"samples/diversity {sample.diversity:g}", _markdown(sample))

    def _scalars(self, row: Row, others: dict[str, float]) -> None:
        with _lost_events_logged(), self._writer.as_default(step=row.step):
            tf.summary.scalar(f"{row.kind}/loss", row.loss)
            tf.summary.scalar(f"{row.kind}/bits_per_char", row.bits_per_char)
            for name, value in others.items():
                tf.summary.scalar(name, value)


def _markdown(sample: Sample) -> str:
    """Return a sample as Markdown that shows its symbols unchanged, since it is indented."""
    parts = ("prompt:", _indented(sample.prompt), "sample:", _indented(sample.text))
    return "\n\n".join(parts).encode(errors="backslashreplace").decode()


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines() or [""])


@contextmanager
def _lost_events_logged() -> Iterator[None]:
    """Log lost events, for instance of a full disk. The rows are in memory and are not lost."""
    try:
        yield
    except tf.errors.OpError as error:
        log.warning("some of TensorBoard's events are lost: %s", error.message)
