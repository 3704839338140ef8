"""A text that a reader and a model write in turns."""

from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np
import numpy.typing as npt

from trainer.sampling.sampler import choose, stepper
from trainer.sampling.truncation import Limits


class Conversation:
    """The model's state goes on from turn to turn: what it writes follows from all that was said before."""

    def __init__(self, model: keras.Model, start: Sequence[int]) -> None:
        """`start`: ids, at least one, with which the text begins."""
        self._step, self._state = stepper(model, 1)
        self.read(start)

    def read(self, ids: Sequence[int]) -> None:
        """Takes the reader's turn."""
        for symbol in ids:
            self._logits, self._state = self._step(np.array([symbol], np.int32), self._state)

    def write(
        self,
        drawn: npt.NDArray[np.float64],
        *,
        diversity: float,
        limits: Limits,
        reached: Callable[[Sequence[int]], bool],
    ) -> Iterator[list[int]]:
        """The ids of the model's turn whenever they have grown by one; drawn [N] decides them, N is the most."""
        ids: list[int] = []
        for number in drawn:
            ids.append(int(choose(self._logits, np.array([diversity]), np.array([number]), limits)[0]))
            self.read(ids[-1:])
            yield ids
            if reached(ids):
                return
