"""What a run came to, in a few numbers."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from jobs.history.goodput import Goodput, goodput
from jobs.history.run_history import History
from jobs.history.summary import chars_trained
from jobs.terminal.duration import duration
from trainer.data.plan import Plan
from trainer.runs.folder import Run


@dataclass(frozen=True)
class Figures:
    """Of a run as it stands; None where nothing tells it yet. Bits are per character, validation's on held-out text."""

    steps: int
    planned_steps: int
    epochs: float
    chars: int
    best_bits: float | None
    best_epoch: int | None
    last_bits: float | None
    training_bits: float | None
    chars_per_second: float | None
    goodput: float | None
    starts: int
    seconds: float


def figures(run: Run, plan: Plan, history: History) -> Figures:
    best = min(history.validated, key=lambda row: row.bits_per_char, default=None)
    speeds = [speed.chars_per_second for start in history.starts for speed in start.speeds]
    told = useful(plan, history)
    times = [time for attempt in history.attempts for time in (attempt.began, attempt.ended)]
    return Figures(
        steps=history.step,
        planned_steps=plan.steps,
        epochs=history.step / plan.steps_per_epoch,
        chars=chars_trained(run, plan, history.step),
        best_bits=best.bits_per_char if best else None,
        best_epoch=best.epoch if best else None,
        last_bits=history.validated[-1].bits_per_char if history.validated else None,
        training_bits=history.trained[-1].bits_per_char if history.trained else None,
        chars_per_second=median(speeds) if speeds else None,
        goodput=told.step_seconds / told.wall_seconds if told else None,
        starts=len(history.attempts),
        seconds=max(times) - min(times) if times else 0.0,
    )


def useful(plan: Plan, history: History) -> Goodput | None:
    """How much of the run's time went into steps that count; None where the events do not tell it or are damaged."""
    if history.damaged or not history.starts:
        return None
    return goodput(history.starts, chars_per_step=plan.chars_per_step)


def shown(found: Figures) -> Iterator[tuple[str, str]]:
    """Each as a name and a text."""
    yield "best validation, bits per character", _number(found.best_bits, ".3f")
    yield "last validation, bits per character", _number(found.last_bits, ".3f")
    yield "last training, bits per character", _number(found.training_bits, ".3f")
    yield "steps", f"{found.steps:,} of {found.planned_steps:,}"
    yield "epochs", f"{found.epochs:.3g}"
    yield "characters trained", f"{found.chars:,}"
    yield "characters a second, median", _number(found.chars_per_second, ",.0f")
    yield "goodput", _number(found.goodput, ".1%")
    yield "starts", f"{found.starts}"
    yield "from first to last sign", duration(found.seconds)


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
