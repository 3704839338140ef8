import numpy as np
import pytest

from trainer.detection.rates import estimate_rates, find_threshold

GENUINE = np.arange(100.0)


@pytest.mark.parametrize(("rate", "above"), [(0.05, 5), (0.01, 1), (0.019, 1), (0.001, 0)])
def test_at_most_the_given_share_of_genuine_texts_is_above_the_threshold(rate: float, above: int) -> None:
    assert (find_threshold(GENUINE, rate) < GENUINE).sum() == above


def test_equal_numbers_are_not_above_their_threshold() -> None:
    assert (find_threshold(np.ones(50), 0.05) < np.ones(50)).sum() == 0


def test_texts_above_all_genuine_texts_are_found_with_certainty() -> None:
    found = estimate_rates(GENUINE, GENUINE + 1000, seed=1)
    for estimate in (found.auroc, found.aupr, *found.tpr):
        assert (estimate.value, estimate.low, estimate.high) == pytest.approx((1, 1, 1))


def test_rates_agree_with_a_count_by_hand_and_lie_in_their_intervals() -> None:
    # Half of them above all genuine ones, half below: each second one is found, also with no false alarm.
    generated = np.concatenate([np.full(50, 200.0), np.full(50, -1.0)])
    found = estimate_rates(GENUINE, generated, seed=1)
    assert found.auroc.value == 0.5
    assert [estimate.value for estimate in found.tpr] == [0.5, 0.5]
    for estimate in (found.auroc, found.aupr, *found.tpr):
        assert estimate.low <= estimate.value <= estimate.high
        assert estimate.low < estimate.high
    assert found == estimate_rates(GENUINE, generated, seed=1)
