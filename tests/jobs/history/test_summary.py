from typing import Any

import pytest

from jobs.history.run_history import Attempt, RunHistory, list_attempts
from jobs.history.summary import Goodput, format_duration, measure_goodput
from trainer.data.plan import TrainingPlan
from trainer.runs.speed_curve import Speed
from trainer.runs.start_records import StartRecord


def start(*speeds: tuple[float, int, float], began: float) -> Attempt:
    """Make a start with speeds as (time, step, characters per second)."""
    [attempt] = list_attempts([StartRecord(began, 0, {}, speeds=tuple(Speed(*speed) for speed in speeds))])
    return attempt


def goodput(*attempts: Attempt, chars_per_step: int) -> Goodput | None:
    run: Any = None
    plan = TrainingPlan(steps=100, steps_per_epoch=100, chars_per_step=chars_per_step)
    return measure_goodput(RunHistory(run, plan, 0, False, [], [], [], attempts, restarts=0, damaged=[]))


def test_goodput_counts_the_time_of_steps_between_rows() -> None:
    # 3 steps of 1024 characters at half a step per second and 2 at one step per second, in 132 seconds.
    # The steps before the first row of a start do not count.
    first = start((110.0, 3, 512.0), (116.0, 6, 512.0), began=100.0)
    second = start((230.0, 12, 512.0), (232.0, 14, 1024.0), began=200.0)
    assert goodput(first, second, chars_per_step=1024) == Goodput(step_seconds=8, wall_seconds=132)


def test_goodput_counts_a_repeated_step_once_at_its_later_time() -> None:
    first = start((0.0, 5, 1.0), (1.0, 10, 5.0), (10.0, 15, 1.0), (99.0, 20, 0.1), began=0.0)
    again = start((100.0, 15, 1.0), (101.0, 20, 5.0), began=99.5)
    assert goodput(first, again, chars_per_step=1) == Goodput(step_seconds=2, wall_seconds=101)


def test_goodput_is_unknown_if_steps_took_longer_than_the_run_or_no_time() -> None:
    first = start((0.0, 5, 1.0), (1.0, 10, 5.0), began=0.0)
    assert goodput(first, start((0.0, 15, 1.0), (1.0, 20, 5.0), began=0.0), chars_per_step=1) is None
    assert goodput(start((5.0, 5, 1.0), began=0.0), chars_per_step=1) is None


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (3725, "1 h 2 min"), (90000, "1 d 1 h")]
)
def test_duration_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
