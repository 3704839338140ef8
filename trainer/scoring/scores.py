"""Scores of a text's characters under a model, and features of the whole text for a detector."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

# Classes of ranks: the model's 1st choice, 2nd to 3rd, 4th to 10th, all others. GLTR has similar classes:
# Gehrmann et al., "GLTR: Statistical Detection and Visualization of Generated Text", 2019.
FIRST_RANKS = (1, 2, 4, 11)
RANK_NAMES = ("1", "2-3", "4-10", "11+")
LOW_BITS = 1.0  # below it the model gave the character more than half of the probability


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of n characters of a text, in order.

    bits: [n] float32, minus log2 of the character's probability after all characters before it.
    ranks: [n] int32, the character's rank among the model's choices. The likeliest has rank 1.
    expected: [n] float32, the expected bits, which are the entropy of the model's distribution.
    """

    bits: npt.NDArray[np.float32]
    ranks: npt.NDArray[np.int32]
    expected: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.bits)

    def first(self, chars: int) -> "Scores":
        """Return the scores of the first `chars` characters. Later characters have no influence on them."""
        return Scores(self.bits[:chars], self.ranks[:chars], self.expected[:chars])

    @property
    def bits_per_char(self) -> float:
        """Mean bits per character."""
        return float(self.bits.mean(dtype=np.float64))

    @property
    def mean_log_rank(self) -> float:
        """Mean natural logarithm of the ranks, 0 if each character was the likeliest."""
        return float(np.log(self.ranks).mean())

    @property
    def histogram(self) -> npt.NDArray[np.int64]:
        """Numbers [4] of characters in each class of RANK_NAMES."""
        return np.bincount(rank_classes(self.ranks), minlength=len(RANK_NAMES))


def rank_classes(ranks: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Return the index [n] in RANK_NAMES of each rank [n]."""
    return np.searchsorted(FIRST_RANKS, ranks, side="right") - 1


FEATURES = {
    "bits": "mean bits per character",
    "excess": "mean bits per character above what the model expected: below 0 for text sampled at a diversity below 1",
    "bits_variance": "variance of the bits: a person's text surprises in some places, and not at all in others",
    "mean_log_rank": "mean natural logarithm of the ranks",
    "first": "share of characters that were the model's 1st choice",
    "second": "share that were its 2nd or 3rd",
    "fourth": "share that were its 4th to 10th",
    "longest_run": f"logarithm of the longest run of characters of less than {LOW_BITS:g} bit",
}


def compute_features(scores: Scores) -> npt.NDArray[np.float64]:
    """Compute the numbers [8] that FEATURES names, in its order. The text has at least one character."""
    shares = scores.histogram / len(scores)
    bits = scores.bits.astype(np.float64)
    excess = bits.mean() - scores.expected.mean(dtype=np.float64)
    longest = np.log1p(_longest_run(scores.bits < LOW_BITS))
    return np.array([bits.mean(), excess, bits.var(), scores.mean_log_rank, *shares[:3], longest])


def _longest_run(low: npt.NDArray[np.bool_]) -> int:
    ends = [-1, *np.flatnonzero(~low).tolist(), len(low)]
    return max(after - before - 1 for before, after in pairwise(ends))
