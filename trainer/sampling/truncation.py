"""Truncation of a distribution to its likeliest symbols: top-k and top-p."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Truncation:
    """Top-k and top-p truncation. Only the likeliest symbols can be drawn.

    top_k: number of symbols to keep; 0 keeps all.
    top_p: probability to keep. The fewest of the top_k symbols whose probabilities sum to at least top_p are kept.
        This is nucleus sampling: Holtzman et al., "The curious case of neural text degeneration", 2019.

    Both apply to the probabilities at the sample's diversity. Between equally likely symbols the lower id wins.
    """

    top_k: int = 0
    top_p: float = 1.0

    def apply(self, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return weights [B, V] with the weights of truncated symbols set to 0. Each row keeps at least one symbol.

        A row's weights may have any sum above 0.
        """
        if not self.top_k and self.top_p == 1.0:
            return weights
        order = np.argsort(-weights, axis=1, kind="stable")
        ranked = np.take_along_axis(weights, order, axis=1)
        if self.top_k:
            ranked[:, self.top_k :] = 0
        if self.top_p < 1.0:
            cumulated = ranked.cumsum(axis=1)
            before = np.concatenate([np.zeros((len(ranked), 1)), cumulated[:, :-1]], axis=1)
            ranked[before >= self.top_p * cumulated[:, -1:]] = 0
        truncated = np.empty_like(weights)
        np.put_along_axis(truncated, order, ranked, axis=1)
        return truncated


NO_TRUNCATION = Truncation()
