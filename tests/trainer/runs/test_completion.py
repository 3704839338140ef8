"""When a run is complete."""

import pytest

from trainer.data.plan import TrainingPlan
from trainer.runs.checkpoint_index import Position
from trainer.runs.completion import count_worse, is_complete
from trainer.runs.metric_rows import Row, Trained, Validated


def validated(step: int, loss: float) -> Row:
    return Validated(step, step // 3, loss, loss, 1)


@pytest.mark.parametrize(
    ("losses", "worse"),
    [([], 0), ([2.0], 0), ([2.0, 1.0], 0), ([1.0, 2.0], 1), ([2.0, 1.0, 1.0], 1), ([1.0, 3.0, 2.0], 2)],
)
def test_losses_after_the_lowest_are_counted(losses: list[float], worse: int) -> None:
    assert count_worse(losses) == worse


ROWS = [validated(3, 1.0), Trained(4, 2, 0.1, 0.1, 0.1), validated(6, 2.0), validated(9, 3.0)]


@pytest.mark.parametrize(
    ("step", "validation", "stop_after_worse", "complete"),
    [
        (20, 3.0, 0, True),
        (20, None, 0, False),  # the samples of the last step may be missing
        (9, 3.0, 0, False),
        (9, 3.0, 2, True),
        (9, None, 2, False),
        (9, 3.0, 3, False),
        (6, 2.0, 2, False),  # a row after the position is not counted
        (6, 2.0, 1, True),
    ],
)
def test_run_is_complete_at_its_last_step_or_when_nothing_improves(
    step: int, validation: float | None, stop_after_worse: int, complete: bool
) -> None:
    position = Position(step=step, validation=validation)
    plan = TrainingPlan(20, steps_per_epoch=3, chars_per_step=1, stop_after_worse=stop_after_worse)
    assert is_complete(position, plan, ROWS) is complete
