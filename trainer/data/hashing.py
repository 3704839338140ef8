"""An integer hash, and the random numbers and shuffles made of it.

The random numbers and the shuffle of a library may change with its version. These do not.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

# splitmix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
GAMMA, MIX_1, MIX_2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def hash_key(key: Sequence[int], count: int) -> npt.NDArray[np.uint64]:
    """Return the hashes [count] uint64 of (key, 0), (key, 1), ... The numbers of the key are not negative."""
    state = np.zeros(1, np.uint64)
    for number in key:
        state = _mix(state + np.uint64(number))
    return _mix(state + np.arange(count, dtype=np.uint64))


def uniform(key: Sequence[int], count: int) -> npt.NDArray[np.float64]:
    """Return numbers [count] float64 in [0, 1), from the upper 53 bits of the hashes."""
    return (hash_key(key, count) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def permutation(key: Sequence[int], count: int) -> Integers:
    """Return a shuffle [count] of 0 .. count - 1."""
    return np.argsort(hash_key(key, count), kind="stable").astype(np.int64)


def _mix(state: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    state = state + GAMMA
    state = (state ^ (state >> np.uint64(30))) * MIX_1
    state = (state ^ (state >> np.uint64(27))) * MIX_2
    return state ^ (state >> np.uint64(31))
