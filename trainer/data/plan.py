"""The length of a run: the number of steps of an epoch and of all epochs."""

from collections.abc import Sequence
from dataclasses import dataclass


def count_segments(windows: int, carry_windows: int) -> int:
    """Return the number of segments of a shard; the last one may be short."""
    return -(-windows // carry_windows)


def count_steps(shard_windows: Sequence[int], batch_windows: int, carry_windows: int = 1) -> int:
    """Return the number of steps for one pass over the windows of all shards; the last batches may be short."""
    segments = sum(count_segments(windows, carry_windows) for windows in shard_windows)
    return -(-segments // batch_windows) * carry_windows


@dataclass(frozen=True)
class TrainingPlan:
    """The length of a run: `steps` in all. The last epoch may be cut short. Characters are predicted characters."""

    steps: int
    steps_per_epoch: int
    chars_per_step: int

    def epochs_done(self, step: int) -> int | None:
        """Return how many epochs end at this step, a last one that is cut short included; None within an epoch."""
        if step and (step == self.steps or step % self.steps_per_epoch == 0):
            return -(-step // self.steps_per_epoch)
        return None


def plan_training(steps_per_epoch: int, *, epochs: int, max_chars: int, chars_per_step: int) -> TrainingPlan:
    """Plan `epochs` passes over the windows, or fewer steps if `max_chars` is reached sooner.

    `max_chars` counts predicted characters; 0 is no limit.
    """
    steps = epochs * steps_per_epoch
    if max_chars:
        steps = min(steps, max(1, max_chars // chars_per_step))
    return TrainingPlan(steps, steps_per_epoch, chars_per_step)
