from itertools import pairwise

import pytest

from trainer.runs.speed_curve import MAX_POINTS, Speed, SpeedCurve


def curve_of(rows: int) -> SpeedCurve:
    """Make a curve from step 100 on, with a row every 10 steps and 5 seconds, at 1, 2, 3, ... characters per second."""
    curve = SpeedCurve(100)
    for number in range(1, rows + 1):
        curve.add(Speed(5.0 * number, 100 + 10 * number, float(number)))
    return curve


def test_few_speeds_are_kept_as_they_are() -> None:
    assert SpeedCurve(100).points == ()
    assert curve_of(2).points == (Speed(5.0, 110, 1.0), Speed(10.0, 120, 2.0))


def test_at_the_limit_neighbours_become_one_point_over_the_steps_of_both() -> None:
    points = curve_of(MAX_POINTS).points
    assert len(points) == MAX_POINTS // 2
    # 10 steps at 1 character per second and 10 at 2: 20 steps in the time of 15.
    assert points[0] == Speed(10.0, 120, 1.3)
    assert points[-1].step == 100 + 10 * MAX_POINTS


def test_short_row_counts_by_its_steps() -> None:
    curve = SpeedCurve(0)
    for number in range(MAX_POINTS):
        curve.add(Speed(number, 10 * (number // 2 + 1) - (9 if number % 2 == 0 else 0), 1.0 if number % 2 else 9.0))
    # 1 step at 9 characters per second and 9 steps at 1: 10 / (1 / 9 + 9).
    assert {point.chars_per_second for point in curve.points} == {1.1}


@pytest.mark.parametrize("rows", [MAX_POINTS + 1, 3 * MAX_POINTS, 10_000])
def test_long_start_has_a_bounded_number_of_points_up_to_its_newest_row(rows: int) -> None:
    points = curve_of(rows).points
    assert MAX_POINTS // 2 <= len(points) <= MAX_POINTS
    assert (points[-1].time, points[-1].step) == (5.0 * rows, 100 + 10 * rows)
    intervals = {after.step - before.step for before, after in pairwise(points[:-1])}
    assert len(intervals) == 1
