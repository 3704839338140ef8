"""What a model makes of each character of a text, and what that says of the whole text in a few numbers."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

# The ranks that are counted together: the model's first choice, its 2nd and 3rd, its 4th to 10th, all others. They are
# those of GLTR: Gehrmann et al., "GLTR: Statistical Detection and Visualization of Generated Text", 2019.
FIRST_RANKS = (1, 2, 4, 11)
RANK_NAMES = ("1", "2-3", "4-10", "11+")
# A character that the model could hardly miss.
LOW_BITS = 1.0


@dataclass(frozen=True, eq=False)
class Scores:
    """Of n characters of a text, in order.

    bits: [n] float32, minus log2 of the probability that the model gave the character after all before it.
    ranks: [n] int32, the character's place among the model's choices, 1 for the likeliest.
    expected: [n] float32, the bits that the model expected there: the entropy of its choice.
    """

    bits: npt.NDArray[np.float32]
    ranks: npt.NDArray[np.int32]
    expected: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.bits)

    def first(self, chars: int) -> "Scores":
        """Those of the first characters alone, which what follows has no influence on."""
        return Scores(self.bits[:chars], self.ranks[:chars], self.expected[:chars])

    @property
    def bits_per_char(self) -> float:
        return float(self.bits.mean(dtype=np.float64))

    @property
    def mean_log_rank(self) -> float:
        """The mean natural logarithm of the ranks: 0 if each character was the likeliest."""
        return float(np.log(self.ranks).mean())

    @property
    def histogram(self) -> npt.NDArray[np.int64]:
        """How many characters [4] have a rank of each kind in RANK_NAMES."""
        return np.bincount(kinds(self.ranks), minlength=len(RANK_NAMES))


def kinds(ranks: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """The place in RANK_NAMES of each rank, [n]."""
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


def features(scores: Scores) -> npt.NDArray[np.float64]:
    """The numbers that FEATURES names, in its order; of at least one character."""
    shares = scores.histogram / len(scores)
    bits = scores.bits.astype(np.float64)
    excess = bits.mean() - scores.expected.mean(dtype=np.float64)
    longest = np.log1p(_longest_run(scores.bits < LOW_BITS))
    return np.array([bits.mean(), excess, bits.var(), scores.mean_log_rank, *shares[:3], longest])


def _longest_run(low: npt.NDArray[np.bool_]) -> int:
    ends = [-1, *np.flatnonzero(~low).tolist(), len(low)]
    return max(after - before - 1 for before, after in pairwise(ends))
