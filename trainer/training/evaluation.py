"""Evaluation: the mean loss of a model on the windows of a split."""

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

from preprocessing.dataset.folder import Dataset
from preprocessing.dataset.manifest import Manifest
from preprocessing.errors import Stopped
from trainer.data.staging import stage
from trainer.data.windows import Windows, pad_batch
from trainer.model.network import build_model
from trainer.model.state import Arrays, restore_state
from trainer.runs.folder import Run
from trainer.runtime.devices import configure_devices
from trainer.runtime.stop_agreement import StopAgreement
from trainer.runtime.strategy import create_strategy
from trainer.training.steps import Steps

PREFETCH_SHARDS = 8  # shards to fetch while one is read


@dataclass(frozen=True)
class Evaluation:
    """The mean loss over `chars` predicted characters, in nats per character."""

    loss: float
    chars: int

    @property
    def bits_per_char(self) -> float:
        """The loss in bits per character."""
        return self.loss / math.log(2)


def window_stride(objective: str, manifest: Manifest) -> int:
    """Return the stride at which windows share no predicted character; 1 for the objective `last`."""
    return 1 if objective == "last" else -(-manifest.window_chars // manifest.stride_chars)


def evaluate_windows(steps: Steps, windows: Windows, *, stride: int) -> Evaluation:
    """Evaluate each `stride`-th window, in order. Raises Stopped between two batches if asked to stop."""
    shards, rows = windows.strided_rows(stride)
    nats = chars = 0.0
    for first in range(0, len(rows), steps.batch_windows):
        if steps.agreement():
            raise Stopped
        batch = slice(first, first + steps.batch_windows)
        shard = int(shards[first])
        prefetch = range(shard, min(shard + PREFETCH_SHARDS, int(shards[-1]) + 1))
        ids = windows.read(shards[batch], rows[batch], prefetch)
        batch_nats, batch_chars = steps.evaluate(pad_batch(ids, steps.batch_windows))
        nats += float(batch_nats)
        chars += float(batch_chars)
    return Evaluation(loss=nats / chars, chars=int(chars))


def evaluate_split(
    run: Run, arrays: Arrays, dataset: Dataset, *, split: str, batch_windows: int, objective: str
) -> Evaluation:
    """Evaluate the run's model with the weights in `arrays` on a split of a dataset.

    Each character that the objective predicts counts once. Sets precision and seed for the process.
    Raises InputError if the dataset has another vocabulary or no such split.
    """
    run.refuse_other_symbols(dataset)
    shards = dataset.shards(split)
    with (
        tempfile.TemporaryDirectory(prefix="evaluate-", ignore_cleanup_errors=True) as scratch,
        stage(dataset, Path(scratch), max_bytes=run.config.staging.max_bytes) as staging,
    ):
        strategy = create_strategy()
        layers = configure_devices(run.config.precision, seed=run.config.seed, inference=True)
        with strategy.scope():
            model = build_model(run.config.model, dataset.manifest, layers=layers)
        restore_state(arrays, model, None)
        steps = Steps(
            *(strategy, model, None),
            objective=objective,
            clip_norm=0,
            batch_windows=batch_windows,
            agreement=StopAgreement(strategy),
        )
        windows = Windows(shards, dataset.manifest, staging.map_shard)
        stride = window_stride(objective, dataset.manifest)
        return evaluate_windows(steps, windows, stride=stride)
