"""Which symbols may be drawn at all: the likeliest few, or the fewest that make up most of the probability."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Weights = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Limits:
    """The `top_k` likeliest symbols (0: all), and of these the fewest whose probabilities add up to `top_p` or more.

    The latter is nucleus sampling: Holtzman et al., "The curious case of neural text degeneration", 2019. Both look
    at the probabilities that the diversity has left; of equally likely symbols the first counts as likelier.
    """

    top_k: int = 0
    top_p: float = 1.0

    def kept(self, weights: Weights) -> Weights:
        """Weights [B, V], of any sum above 0, with those of the symbols left out at 0; at least one is kept."""
        if not self.top_k and self.top_p == 1.0:
            return weights
        order = np.argsort(-weights, axis=1, kind="stable")
        ranked = np.take_along_axis(weights, order, axis=1)
        if self.top_k:
            ranked[:, self.top_k :] = 0
        if self.top_p < 1.0:
            cumulated = ranked.cumsum(axis=1)
            likelier = np.concatenate([np.zeros((len(ranked), 1)), cumulated[:, :-1]], axis=1)
            ranked[likelier >= self.top_p * cumulated[:, -1:]] = 0
        found = np.empty_like(weights)
        np.put_along_axis(found, order, ranked, axis=1)
        return found


ALL = Limits()
