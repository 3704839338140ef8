import numpy as np
import pytest

from trainer.sampling.sampler import choose
from trainer.sampling.truncation import Limits

WEIGHTS = np.array([[1.0, 4.0, 2.0, 3.0]])  # probabilities 0.1, 0.4, 0.2, 0.3


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        (Limits(), [1, 4, 2, 3]),
        (Limits(top_k=4), [1, 4, 2, 3]),
        (Limits(top_k=99), [1, 4, 2, 3]),
        (Limits(top_k=2), [0, 4, 0, 3]),
        (Limits(top_k=1), [0, 4, 0, 0]),
        (Limits(top_p=0.4), [0, 4, 0, 0]),
        (Limits(top_p=0.41), [0, 4, 0, 3]),
        (Limits(top_p=0.95), [1, 4, 2, 3]),
        (Limits(top_p=1e-9), [0, 4, 0, 0]),
        (Limits(top_k=3, top_p=0.75), [0, 4, 0, 3]),  # of the three likeliest, 9, not of all four
    ],
)
def test_the_likeliest_are_kept(limits: Limits, kept: list[float]) -> None:
    assert limits.kept(WEIGHTS).tolist() == [kept]


def test_each_row_has_its_own() -> None:
    found = Limits(top_k=1).kept(np.array([[1.0, 2.0], [2.0, 1.0]]))
    assert found.tolist() == [[0, 2], [2, 0]]


def test_of_equally_likely_symbols_the_first_is_kept() -> None:
    assert Limits(top_k=1).kept(np.ones((1, 3))).tolist() == [[1, 0, 0]]


def test_what_is_left_out_is_never_chosen_and_the_rest_keep_their_shares() -> None:
    logits = np.log(WEIGHTS).astype(np.float32)
    drawn = (0.0, 0.57, 0.58, 0.999999)  # the second symbol has 4/7 = 0.571
    found = [int(choose(logits, np.ones(1), np.array([one]), Limits(top_k=2))[0]) for one in drawn]
    assert found == [1, 1, 3, 3]
