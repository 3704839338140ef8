"""Options of sampling: truncation to the likeliest symbols (top-k, top-p), and texts that end a sample."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ids = Sequence[int]


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


@dataclass(frozen=True)
class StopTexts:
    """Texts that end a sample, as ids. No text is empty.

    until: the sample ends after such a text, and includes it.
    stop: the sample ends before such a text.
    """

    until: tuple[Ids, ...] = ()
    stop: tuple[Ids, ...] = ()

    def reached(self, ids: Ids) -> bool:
        """Return whether a sample with these ids ends here."""
        return any(_ends_with(ids, text) for text in (*self.until, *self.stop))

    def certain_length(self, ids: Ids, *, ended: bool) -> int:
        """Return how many of a sample's ids belong to it, whatever ids follow.

        The ids of a reached `stop` text do not belong to the sample. The ids that may be the beginning of a `stop`
        text are not certain until the sample has `ended`.
        """
        uncertain = [len(text) for text in self.stop if _ends_with(ids, text)]
        if not uncertain and not ended:
            uncertain = [size for text in self.stop for size in range(1, len(text)) if _ends_with(ids, text[:size])]
        return len(ids) - max(uncertain, default=0)


def _ends_with(ids: Ids, text: Ids) -> bool:
    return list(ids[-len(text) :]) == list(text)
