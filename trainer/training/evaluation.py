"""How well a model predicts text that it was not trained on."""

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from preprocessing.dataset.folder import Dataset
from preprocessing.dataset.manifest import Manifest
from preprocessing.errors import Stopped
from trainer.data.staging import stage
from trainer.data.windows import Windows, pad_batch
from trainer.model.network import build_model
from trainer.model.state import Arrays, restore
from trainer.runs.folder import Run
from trainer.runtime.devices import set_up
from trainer.runtime.stop_agreement import Agreement
from trainer.runtime.strategy import create_strategy
from trainer.training.steps import Steps

AHEAD_SHARDS = 8  # fetched while one is read


@dataclass(frozen=True)
class Evaluation:
    """The mean loss over `chars` predicted characters, in nats per character."""

    loss: float
    chars: int

    @property
    def bits_per_char(self) -> float:
        """The same in bits: divided by ln 2."""
        return self.loss / math.log(2)


def window_step(objective: str, manifest: Manifest) -> int:
    """Every how many windows to evaluate, so that no character is predicted twice: all for `last`."""
    return 1 if objective == "last" else -(-manifest.window_chars // manifest.stride_chars)


def evaluate(steps: Steps, windows: Windows, *, step: int, should_stop: Callable[[], bool]) -> Evaluation:
    """Over each `step`-th window, in order. Raises Stopped between two batches if asked to."""
    shards, rows = windows.every(step)
    nats = chars = 0.0
    for first in range(0, len(rows), steps.batch_windows):
        if should_stop():
            raise Stopped
        part = slice(first, first + steps.batch_windows)
        here = int(shards[first])
        ids = windows.read(shards[part], rows[part], range(here, min(here + AHEAD_SHARDS, int(shards[-1]) + 1)))
        sums = steps.evaluate(pad_batch(ids, steps.batch_windows))
        nats += float(sums[0])
        chars += float(sums[1])
    return Evaluation(loss=nats / chars, chars=int(chars))


def evaluate_split(
    run: Run, arrays: Arrays, dataset: Dataset, *, split: str, batch_windows: int, objective: str
) -> Evaluation:
    """The mean loss of the run's model, with these weights, over each character of the split that `objective`
    predicts, `batch_windows` at a time.

    InputError if the dataset has other symbols or no such split. Sets precision and seed for the process.
    """
    run.refuse_other_symbols(dataset)
    shards = dataset.shards(split)
    with (
        tempfile.TemporaryDirectory(prefix="evaluate-", ignore_cleanup_errors=True) as scratch,
        stage(dataset, Path(scratch), max_bytes=run.config.staging.max_bytes) as staging,
    ):
        windows = Windows(shards, dataset.manifest, staging.mapped)
        strategy = create_strategy()
        cudnn = set_up(run.config.precision, seed=run.config.seed, only_reading=True)
        with strategy.scope():
            net = build_model(run.config.model, dataset.manifest, cudnn=cudnn)
        restore(arrays, net, None)
        agreement = Agreement(strategy)
        steps = Steps(
            strategy,
            net,
            None,
            objective=objective,
            clip_norm=0,
            batch_windows=batch_windows,
            agreement=agreement,
        )
        step = window_step(objective, dataset.manifest)
        return evaluate(steps, windows, step=step, should_stop=agreement)
