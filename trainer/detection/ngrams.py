"""An n-gram model with back-off: a generator of another kind, to evaluate a detector with.

The next symbol is drawn from the symbols that followed the longest frequent context in the training text. A context has
at most `order` symbols, and is frequent if it occurs MIN_COUNT times. All contexts are in one sorted array of integers
with the nearest symbol in the highest bits. So the contexts that share their nearest symbols are one range.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

MIN_COUNT = 4  # a rarer context would be continued by quoting the text
ORDER = 9


class NGrams:
    """An n-gram model of a text. The order is lower if that many symbols do not fit into 63 bits."""

    def __init__(self, ids: npt.NDArray[Any], symbols: int, *, order: int = ORDER) -> None:
        """Index the text's ids [n], each below `symbols`."""
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
        """Generate ids [B, N] that follow the symbol `start`. drawn [B, N] are the random numbers in [0, 1)."""
        rows, chars = drawn.shape
        powers = 1 / np.asarray(diversities, np.float64)
        codes, known = np.full(rows, start << self._bits * (self.order - 1), np.int64), 1
        chosen = np.empty((rows, chars), np.int32)
        for position in range(chars):
            firsts, lasts = self._ranges(codes, min(known, self.order))
            for row in range(rows):
                counts = np.bincount(self._next[firsts[row] : lasts[row]], minlength=self._symbols)
                # Shares, because a large count to the power of 1 / diversity overflows.
                cumulated = ((counts / counts.max()) ** powers[row]).cumsum()
                symbol = np.searchsorted(cumulated, drawn[row, position] * cumulated[-1], side="right")
                chosen[row, position] = symbol
            codes = codes >> self._bits | chosen[:, position].astype(np.int64) << self._bits * (self.order - 1)
            known += 1
        return chosen

    def _ranges(self, codes: npt.NDArray[np.int64], known: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return for each code the range of its longest frequent context of at most `known` symbols."""
        firsts, lasts = np.zeros(len(codes), np.int64), np.full(len(codes), len(self._codes), np.int64)
        for length in range(1, known + 1):
            rest = self._bits * (self.order - length)
            least = codes >> rest << rest
            first, last = np.searchsorted(self._codes, least), np.searchsorted(self._codes, least + (1 << rest))
            enough = last - first >= MIN_COUNT
            firsts, lasts = np.where(enough, first, firsts), np.where(enough, last, lasts)
        return firsts, lasts
