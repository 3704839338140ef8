import pytest

from trainer.loop import Plan, plan
from trainer.order import Order

ORDER = Order([25], batch_windows=10, block_windows=100, seed=1)  # 3 steps an epoch


@pytest.mark.parametrize(
    ("epochs", "max_chars", "steps"), [(4, 0, 12), (4, 10**9, 12), (4, 500, 5), (4, 599, 5), (4, 99, 1), (1, 300, 3)]
)
def test_a_plan_ends_with_its_epochs_or_its_characters(epochs: int, max_chars: int, steps: int) -> None:
    assert plan(ORDER, epochs=epochs, max_chars=max_chars, chars_per_step=100) == Plan(steps, 3)


def test_an_epoch_ends_after_its_steps_and_the_last_one_with_the_plan() -> None:
    found = Plan(steps=8, steps_per_epoch=3)
    assert [found.epochs_done(step) for step in range(9)] == [None, None, None, 1, None, None, 2, None, 3]


def test_a_plan_that_ends_with_an_epoch_ends_it_once() -> None:
    found = Plan(steps=6, steps_per_epoch=3)
    assert [step for step in range(7) if found.epochs_done(step)] == [3, 6]
