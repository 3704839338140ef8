import numpy as np
import pytest

from trainer.sampling.sampler import choose
from trainer.sampling.truncation import Truncation

WEIGHTS = np.array([[1.0, 4.0, 2.0, 3.0]])  # probabilities 0.1, 0.4, 0.2, 0.3


@pytest.mark.parametrize(
    ("truncation", "kept"),
    [
        (Truncation(), [1, 4, 2, 3]),
        (Truncation(top_k=4), [1, 4, 2, 3]),
        (Truncation(top_k=99), [1, 4, 2, 3]),
        (Truncation(top_k=2), [0, 4, 0, 3]),
        (Truncation(top_k=1), [0, 4, 0, 0]),
        (Truncation(top_p=0.4), [0, 4, 0, 0]),
        (Truncation(top_p=0.41), [0, 4, 0, 3]),
        (Truncation(top_p=0.95), [1, 4, 2, 3]),
        (Truncation(top_p=1e-9), [0, 4, 0, 0]),
        (Truncation(top_k=3, top_p=0.75), [0, 4, 0, 3]),  # of the three likeliest, 9, not of all four
    ],
)
def test_truncation_keeps_the_likeliest_symbols(truncation: Truncation, kept: list[float]) -> None:
    assert truncation.apply(WEIGHTS).tolist() == [kept]


def test_each_row_is_truncated_by_its_own_weights() -> None:
    found = Truncation(top_k=1).apply(np.array([[1.0, 2.0], [2.0, 1.0]]))
    assert found.tolist() == [[0, 2], [2, 0]]


def test_first_of_equally_likely_symbols_is_kept() -> None:
    assert Truncation(top_k=1).apply(np.ones((1, 3))).tolist() == [[1, 0, 0]]


def test_truncated_symbols_are_never_chosen_and_the_others_keep_their_shares() -> None:
    logits = np.log(WEIGHTS).astype(np.float32)
    drawn = (0.0, 0.57, 0.58, 0.999999)  # the second symbol has 4/7 = 0.571
    found = [int(choose(logits, np.ones(1), np.array([one]), Truncation(top_k=2))[0]) for one in drawn]
    assert found == [1, 1, 3, 3]
