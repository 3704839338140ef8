"""Counting as a peer: an n-gram model of characters, interpolated by Witten and Bell's rule.

    p_n(c | h) = (count(h c) + types(h) p_{n-1}(c | h')) / (count(h) + types(h))

h are the n - 1 characters before c, h' is h without its first character, types(h) counts the different characters after
h, and p_0 is uniform. The probabilities add up to 1. Source: Witten and Bell, "The zero-frequency problem", IEEE
Transactions on Information Theory, 1991; in this form Chen and Goodman, "An empirical study of smoothing techniques for
language modeling", 1998.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.float64]
ORDERS = 8


def predict(
    train: npt.NDArray[np.uint8], held_out: npt.NDArray[np.uint8], *, symbols: int, orders: int = ORDERS
) -> Iterator[Probabilities]:
    """Yield the probability [n] of each held-out character by the models of order 1, 2, ... `orders`.

    train, held_out: ids [n] below `symbols`.
    """
    probabilities = np.full(len(held_out), 1 / symbols)
    for order in range(1, orders + 1):
        probabilities = _interpolate(
            encode_contexts(train, order, symbols), encode_contexts(held_out, order, symbols), probabilities, symbols
        )
        yield probabilities


def encode_contexts(ids: npt.NDArray[np.uint8], order: int, symbols: int) -> Integers:
    """Return each character with the order - 1 characters before it, as a number in base `symbols`.

    Before the first character stand characters of id 0. An order of 8 and 61 symbols make 61**8 < 2**63 numbers.
    """
    padded = np.concatenate([np.zeros(order - 1, np.uint8), ids])
    numbers = np.zeros(len(ids), np.int64)
    for offset in range(order):
        numbers = numbers * symbols + padded[offset : offset + len(ids)]
    return numbers


def _interpolate(train: Integers, held_out: Integers, lower: Probabilities, symbols: int) -> Probabilities:
    """Return the probability of each held-out character, from its probability at the order below."""
    grams, counts = np.unique(train, return_counts=True)
    contexts, first, types = np.unique(grams // symbols, return_index=True, return_counts=True)
    totals = np.add.reduceat(counts, first)
    count = _look_up(held_out, grams, counts)
    total, kinds = (_look_up(held_out // symbols, contexts, values) for values in (totals, types))
    seen = total > 0
    mixed: Probabilities = (count + kinds * lower) / np.where(seen, total + kinds, 1)
    return np.where(seen, mixed, lower)


def _look_up(keys: Integers, known: Integers, values: Integers) -> Integers:
    """Return the value of each key, 0 for a key that is not known. `known` is sorted."""
    places = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.where(known[places] == keys, values[places], 0)
