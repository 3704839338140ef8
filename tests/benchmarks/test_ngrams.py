"""The n-gram model that the benchmarks compare with."""

import numpy as np
import pytest

from benchmarks.ngrams import predict

SYMBOLS = 4
TRAIN = np.random.default_rng(1).choice(SYMBOLS, 300, p=[0.6, 0.2, 0.15, 0.05]).astype(np.uint8)


def test_probabilities_of_all_next_characters_add_up_to_one() -> None:
    for context in ([0, 0, 0], [3, 3, 3], [1, 2, 0]):
        texts = [np.array([*context, symbol], np.uint8) for symbol in range(SYMBOLS)]
        by_order = zip(*(predict(TRAIN, text, symbols=SYMBOLS, orders=6) for text in texts), strict=True)
        for probabilities in by_order:
            assert sum(p[-1] for p in probabilities) == pytest.approx(1)


def test_probabilities_are_those_of_the_rule() -> None:
    train = np.array([1, 2, 1, 2, 1, 3], np.uint8)
    first, second = predict(train, np.array([1, 2], np.uint8), symbols=4, orders=2)
    unigram = (2 + 3 / 4) / (6 + 3)  # of the symbol 2, of three different symbols in six
    assert first[-1] == pytest.approx(unigram)
    assert second[-1] == pytest.approx((2 + 2 * unigram) / (3 + 2))  # after 1: twice 2, once 3
