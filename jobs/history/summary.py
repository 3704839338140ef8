"""The line at the head of a report."""

from jobs.history.run_history import History
from trainer.data.plan import Plan
from trainer.runs.folder import Run


def summary(run: Run, plan: Plan, history: History) -> str:
    """How far the run is, and how good, in one line."""
    done = history.step
    if not done:
        return f"No checkpoint yet: 0 of {plan.steps:,} steps stand."
    parts = [
        f"{done:,} of {plan.steps:,} steps",
        f"{done / plan.steps_per_epoch:.3g} of {plan.steps / plan.steps_per_epoch:.3g} epochs",
        f"{chars_trained(run, plan, done):,} characters trained",
    ]
    if history.validated:
        best, last = min(history.validated, key=lambda row: row.bits_per_char), history.validated[-1]
        parts.append(
            f"validation {best.bits_per_char:.3f} bits per character at best (epoch {best.epoch}), "
            f"{last.bits_per_char:.3f} last (epoch {last.epoch})"
        )
    return "; ".join(parts) + "."


def chars_trained(run: Run, plan: Plan, steps: int) -> int:
    """How many characters so many steps predict; an epoch's last step may have fewer windows than the others."""
    epochs, rest = divmod(steps, plan.steps_per_epoch)
    windows = epochs * run.manifest.splits["train"]["windows"] + rest * run.config.batch_windows
    return windows * plan.chars_per_step // run.config.batch_windows
