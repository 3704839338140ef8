"""How well a model predicts text that it was not trained on."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from preprocessing.dataset.manifest import Manifest
from preprocessing.errors import Stopped
from trainer.data.windows import Windows, fill_up
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
        sums = steps.evaluate(fill_up(ids, steps.batch_windows))
        nats += float(sums[0])
        chars += float(sums[1])
    return Evaluation(loss=nats / chars, chars=int(chars))
