"""When a run is complete: at the last step of its plan, or once its validation loss no longer improves."""

from collections.abc import Sequence

from trainer.data.plan import TrainingPlan
from trainer.runs.checkpoint_index import Position
from trainer.runs.metric_rows import Row, Validated


def is_complete(position: Position, plan: TrainingPlan, rows: Sequence[Row]) -> bool:
    """Return whether a run is complete at its newest position, with all that it writes. `rows` are its metric rows."""
    if position.validation is None:  # saved last in an epoch, after the samples
        return False
    if position.step == plan.steps:
        return True
    losses = [row.loss for row in rows if isinstance(row, Validated) and row.step <= position.step]
    return 0 < plan.stop_after_worse <= count_worse(losses)


def count_worse(losses: Sequence[float]) -> int:
    """Count the losses after the lowest one. Of equal losses the first is the lowest."""
    return len(losses) - 1 - losses.index(min(losses)) if losses else 0
