"""Evaluation: the mean loss of a model on the windows of a split.

Each window can start from a state of zero, or carry on: B lanes read the split side by side, and a character is
predicted from all that stands before it in its lane.
"""

import math
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from preprocessing.dataset.folder import Dataset
from preprocessing.errors import Stopped
from trainer.data.hashing import Integers
from trainer.data.staging import stage
from trainer.data.windows import Windows, pad_batch
from trainer.model.network import build_model
from trainer.model.state import Arrays, restore_state
from trainer.runs.folder import Run
from trainer.runtime.devices import configure_devices
from trainer.runtime.stop_agreement import StopAgreement
from trainer.runtime.strategy import create_strategy
from trainer.training.carry import can_carry, window_stride
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


def evaluate_windows(steps: Steps, windows: Windows, *, stride: int) -> Evaluation:
    """Evaluate each `stride`-th window, in order. Raises Stopped between two batches if asked to stop."""
    rows = windows.strided_rows(stride)
    starts = range(0, len(rows[0]), steps.batch_windows)
    batches = (np.arange(start, min(start + steps.batch_windows, len(rows[0]))) for start in starts)
    return _evaluate(steps, windows, rows, batches, state=[])


def evaluate_carried(steps: Steps, windows: Windows, *, stride: int) -> Evaluation:
    """Evaluate each `stride`-th window, in as many lanes as a batch has rows, each with its state carried through.

    Raises Stopped between two batches if asked to stop.
    """
    rows = windows.strided_rows(stride)
    count = len(rows[0])
    lane_windows = -(-count // steps.batch_windows)
    lanes = np.arange(0, count, lane_windows)  # the first window of each
    batches = (lanes[lanes + step < count] + step for step in range(lane_windows))  # only the last lane may end sooner
    return _evaluate(steps, windows, rows, batches, state=steps.replica_zero_state())


def _evaluate(
    steps: Steps,
    windows: Windows,
    rows: tuple[Integers, Integers],
    batches: Iterable[Integers],
    *,
    state: Sequence[Any],
) -> Evaluation:
    """Evaluate batches of positions in `rows`, with the state after a batch as the initial state of the next."""
    shards, records = rows
    nats = chars = 0.0
    for batch in batches:
        if steps.agreement():
            raise Stopped
        shard = int(shards[batch[0]])
        prefetch = range(shard, min(shard + PREFETCH_SHARDS, int(shards[-1]) + 1))
        ids = windows.read(shards[batch], records[batch], prefetch)
        padded = pad_batch(ids, steps.batch_windows)
        batch_nats, batch_chars, state = steps.evaluate_from_state(padded, state)
        nats += float(batch_nats)
        chars += float(batch_chars)
    return Evaluation(loss=nats / chars, chars=int(chars))


def evaluate_split(
    run: Run, arrays: Arrays, dataset: Dataset, *, split: str, batch_windows: int, objective: str, carry: bool = True
) -> Evaluation:
    """Evaluate the run's model with the weights in `arrays` on a split of a dataset.

    Each character that the objective predicts counts once. With `carry`, the state is carried if that is possible.
    Sets precision and seed for the process. Raises InputError if the dataset has another vocabulary or no such split.
    """
    run.refuse_other_symbols(dataset)
    max_bytes = run.config.staging.max_bytes
    carried = carry and can_carry(dataset, split, objective=objective, max_bytes=max_bytes)
    evaluate = evaluate_carried if carried else evaluate_windows
    with (
        tempfile.TemporaryDirectory(prefix="evaluate-", ignore_cleanup_errors=True) as scratch,
        stage(dataset, Path(scratch), max_bytes=max_bytes) as staging,
    ):
        strategy = create_strategy(cpu_replicas=run.config.cpu_replicas, batch_windows=batch_windows)
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
        windows = Windows(dataset.shards(split), dataset.manifest, staging.map_shard)
        return evaluate(steps, windows, stride=window_stride(objective, dataset.manifest))
