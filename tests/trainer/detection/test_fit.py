import numpy as np
import pytest

from preprocessing.errors import InputError
from trainer.detection.fit import fit_classifiers
from trainer.scoring.scores import Scores


def noisy(bits: float, count: int, chars: int, seed: int) -> list[Scores]:
    random = np.random.default_rng(seed)
    return [
        Scores(
            random.exponential(bits, chars).astype(np.float32),
            random.integers(1, 9, chars).astype(np.int32),
            np.full(chars, 2, np.float32),
        )
        for _ in range(count)
    ]


def test_fitted_classifier_finds_texts_of_fewer_bits_at_the_given_false_positive_rate() -> None:
    genuine, generated = noisy(2.0, 200, 50, 1), noisy(1.2, 200, 50, 2)
    (found,) = fit_classifiers(genuine, generated, [50], rate=0.05, seed=1)
    assert (found.genuine, found.generated) == (200, 200)
    unseen = [found.log_odds(text) > found.threshold for text in noisy(2.0, 400, 50, 3)]
    assert np.mean(unseen) < 0.1
    assert np.mean([found.log_odds(text) > found.threshold for text in noisy(1.2, 400, 50, 4)]) > 0.8
    assert fit_classifiers(genuine, generated, [50], rate=0.05, seed=1) == (found,)
    (stricter,) = fit_classifiers(genuine, generated, [50], rate=0.01, seed=1)
    assert stricter.threshold > found.threshold


def test_length_that_too_few_texts_have_is_left_out() -> None:
    genuine, generated = noisy(2.0, 30, 50, 1), noisy(1.0, 30, 60, 2)
    assert [one.chars for one in fit_classifiers(genuine, generated, [50, 60], rate=0.05, seed=1)] == [50]
    with pytest.raises(InputError, match="no length of 60 characters has 10 reviews of each kind: give shorter"):
        fit_classifiers(genuine, generated, [60], rate=0.05, seed=1)
