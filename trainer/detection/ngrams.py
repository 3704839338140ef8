"""Text from an n-gram model with back-off: a generator of another kind, for a detector to be tried on.

The next symbol is drawn from those that followed the longest context, of at most `order` symbols, that the text has
at least LEAST times. All contexts lie in one sorted array, the nearest symbol first, so that those that share a
shorter context stand together, and a count is a range of it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

LEAST = 4  # of fewer the continuation would be a quotation
ORDER = 9


class NGrams:
    """Of ids [n] below `symbols`; the order is less where so many symbols of context do not fit into 63 bits."""

    def __init__(self, ids: npt.NDArray[Any], symbols: int, *, order: int = ORDER) -> None:
        self._bits = max(1, (symbols - 1).bit_length())
        self.order = min(order, 63 // self._bits, len(ids) - 1)
        self._symbols = symbols
        codes = np.zeros(len(ids) - self.order, np.int64)
        for back in range(self.order):  # the nearest symbol in the highest bits
            near = ids[self.order - 1 - back : len(ids) - 1 - back].astype(np.int64)
            codes |= near << (self._bits * (self.order - 1 - back))
        by_code = np.argsort(codes, kind="stable")
        self._codes, self._next = codes[by_code], ids[self.order :][by_code]

    def generate(
        self, start: int, *, diversities: Sequence[float], drawn: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.int32]:
        """Ids [B, N] that follow the symbol `start`; drawn [B, N] in [0, 1), as sampler.draws gives it."""
        rows, chars = drawn.shape
        powers = 1 / np.asarray(diversities, np.float64)
        codes, known = np.full(rows, start << self._bits * (self.order - 1), np.int64), 1
        chosen = np.empty((rows, chars), np.int32)
        for position in range(chars):
            firsts, lasts = self._ranges(codes, min(known, self.order))
            for row in range(rows):
                counts = np.bincount(self._next[firsts[row] : lasts[row]], minlength=self._symbols)
                # Of shares, as a great count to the power of 1 / diversity is no number any more.
                cumulated = ((counts / counts.max()) ** powers[row]).cumsum()
                symbol = np.searchsorted(cumulated, drawn[row, position] * cumulated[-1], side="right")
                chosen[row, position] = symbol
            codes = codes >> self._bits | chosen[:, position].astype(np.int64) << self._bits * (self.order - 1)
            known += 1
        return chosen

    def _ranges(self, codes: npt.NDArray[np.int64], known: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Where the longest context of at most `known` symbols that occurs often enough stands, for each code."""
        firsts, lasts = np.zeros(len(codes), np.int64), np.full(len(codes), len(self._codes), np.int64)
        for length in range(1, known + 1):
            rest = self._bits * (self.order - length)
            least = codes >> rest << rest
            first, last = np.searchsorted(self._codes, least), np.searchsorted(self._codes, least + (1 << rest))
            enough = last - first >= LEAST
            firsts, lasts = np.where(enough, first, firsts), np.where(enough, last, lasts)
        return firsts, lasts
