"""How far a run goes: its steps, epochs and characters, before any of them is trained."""

from dataclasses import dataclass

from trainer.data.order import Order


@dataclass(frozen=True)
class Plan:
    """How far a run goes: `steps` in all, the last epoch possibly cut short; characters are predicted ones."""

    steps: int
    steps_per_epoch: int
    chars_per_step: int

    def epochs_done(self, step: int) -> int | None:
        """How many epochs end at this step, the cut one included; None within an epoch."""
        if step and (step == self.steps or step % self.steps_per_epoch == 0):
            return -(-step // self.steps_per_epoch)
        return None


def plan(order: Order, *, epochs: int, max_chars: int, chars_per_step: int) -> Plan:
    """`epochs` passes, or fewer steps where `max_chars` predicted characters are reached sooner (0: no limit)."""
    steps = epochs * order.steps_per_epoch
    if max_chars:
        steps = min(steps, max(1, max_chars // chars_per_step))
    return Plan(steps, order.steps_per_epoch, chars_per_step)
