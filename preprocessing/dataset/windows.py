"""A stream of ids cut into windows."""

import numpy as np

from preprocessing.dataset.vocabulary import Ids


def cut(ids: Ids, *, window_chars: int, stride_chars: int) -> Ids:
    """Windows [n, window_chars + 1], each `stride_chars` after the one before; a view, not a copy.

    A window holds one id more than it predicts: position i is the input and i + 1 its target. What is left
    at the end and too short for a window is in none.
    """
    if len(ids) <= window_chars:
        return ids[:0].reshape(0, window_chars + 1)
    return np.lib.stride_tricks.sliding_window_view(ids, window_chars + 1)[::stride_chars]
