import numpy as np

from jobs.history.events import Speed, Start
from jobs.history.goodput import Goodput, goodput, over_time


def start(*speeds: tuple[float, int, float], began: float) -> Start:
    """One with speeds as (time, step, characters a second)."""
    return Start(began, speeds[-1][0], tuple(Speed(*speed) for speed in speeds), whole=True)


def test_the_steps_between_two_rows_took_as_long_as_their_speed_says() -> None:
    # 3 steps of 1024 characters at half a step a second and 2 at one, of 132 seconds; none for those to a first row.
    starts = [
        start((110.0, 3, 512.0), (116.0, 6, 512.0), began=100.0),
        start((230.0, 12, 512.0), (232.0, 14, 1024.0), began=200.0),
    ]
    assert goodput(starts, chars_per_step=1024) == Goodput(step_seconds=8, wall_seconds=132)


def test_of_steps_made_again_the_later_time_counts() -> None:
    first = start((0.0, 5, 1.0), (1.0, 10, 5.0), (10.0, 15, 1.0), (99.0, 20, 0.1), began=0.0)
    again = start((100.0, 15, 1.0), (101.0, 20, 5.0), began=99.5)
    assert goodput([first, again], chars_per_step=1) == Goodput(step_seconds=2, wall_seconds=101)


def test_there_is_none_where_the_steps_took_longer_than_the_events_or_no_time() -> None:
    first = start((0.0, 5, 1.0), (1.0, 10, 5.0), began=0.0)
    assert goodput([first, start((0.0, 15, 1.0), (1.0, 20, 5.0), began=0.0)], chars_per_step=1) is None
    assert goodput([start((5.0, 5, 1.0), began=0.0)], chars_per_step=1) is None


def test_each_part_of_the_time_has_its_own_share_of_useful_seconds() -> None:
    shares, edges = over_time([(0.0, 5.0), (12.0, 14.0), (18.0, 31.0)], began=0.0, ended=40.0, parts=4)
    np.testing.assert_allclose(edges, [0, 10, 20, 30, 40])
    np.testing.assert_allclose(shares, [0.5, 0.4, 1.0, 0.1])
