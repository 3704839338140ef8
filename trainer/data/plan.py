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
    """The length of a run: `steps` in all. The last epoch may be cut short. Characters are predicted characters.

    Validations come at the ends of epochs and, unless `validation_steps` is 0, also every so many steps. Unless
    `stop_after_worse` is 0, so many validations in a row without a lower loss end the run before its last step.
    """

    steps: int
    steps_per_epoch: int
    chars_per_step: int
    validation_steps: int = 0
    stop_after_worse: int = 0

    def ends_epoch(self, step: int) -> bool:
        """Return whether an epoch ends after so many steps, the last one included, which may be cut short."""
        return step > 0 and (step == self.steps or step % self.steps_per_epoch == 0)

    def validates(self, step: int) -> bool:
        """Return whether a validation comes after so many steps."""
        between = self.validation_steps > 0 and step > 0 and step % self.validation_steps == 0
        return between or self.ends_epoch(step)


def plan_training(
    steps_per_epoch: int,
    *,
    epochs: int,
    max_chars: int,
    chars_per_step: int,
    validate_every_chars: int = 0,
    stop_after_worse: int = 0,
) -> TrainingPlan:
    """Plan `epochs` passes over the windows, or fewer steps if `max_chars` is reached sooner.

    `max_chars` and `validate_every_chars` count predicted characters. 0 is no limit, and no validation within an epoch.
    """
    steps = epochs * steps_per_epoch
    if max_chars:
        steps = min(steps, max(1, max_chars // chars_per_step))
    validation_steps = max(1, validate_every_chars // chars_per_step) if validate_every_chars else 0
    return TrainingPlan(steps, steps_per_epoch, chars_per_step, validation_steps, stop_after_worse)
