import numpy as np
import pytest

from trainer.scoring.scores import FEATURES, RANK_NAMES, Scores, compute_features, rank_classes


def scores(bits: list[float], ranks: list[int], expected: float = 2.0) -> Scores:
    n = len(bits)
    return Scores(np.array(bits, np.float32), np.array(ranks, np.int32), np.full(n, expected, np.float32))


def test_each_rank_is_in_the_class_that_names_it() -> None:
    ranks = np.array([1, 2, 3, 4, 10, 11, 61], np.int32)
    assert [RANK_NAMES[kind] for kind in rank_classes(ranks)] == ["1", "2-3", "2-3", "4-10", "4-10", "11+", "11+"]


def test_histogram_counts_each_character_once() -> None:
    found = scores([0.5] * 6, [1, 1, 1, 3, 10, 40])
    assert found.histogram.tolist() == [3, 1, 1, 1]
    assert found.histogram.sum() == len(found)


def test_mean_log_rank_is_the_logarithm_of_the_geometric_mean() -> None:
    assert scores([1.0, 1.0], [2, 8]).mean_log_rank == pytest.approx(np.log(4))


def test_features_agree_with_a_computation_by_hand() -> None:
    found = dict(zip(FEATURES, compute_features(scores([0.5, 0.5, 3.0, 0.0], [1, 1, 5, 2])), strict=True))
    assert found["bits"] == pytest.approx(1.0)
    assert found["excess"] == pytest.approx(-1.0)
    assert found["bits_variance"] == pytest.approx((0.25 + 0.25 + 4 + 1) / 4)
    assert (found["first"], found["second"], found["fourth"]) == (0.5, 0.25, 0.25)
    assert found["longest_run"] == pytest.approx(np.log(3))  # two characters


def test_first_characters_have_the_features_of_a_text_that_ends_there() -> None:
    long, short = scores([0.5, 4.0, 1.5], [1, 9, 2]), scores([0.5, 4.0], [1, 9])
    assert compute_features(long.first(2)).tolist() == compute_features(short).tolist()
