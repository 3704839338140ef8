"""The summary of a run: losses, steps, throughput, goodput, starts."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from jobs.history.run_history import RunHistory


@dataclass(frozen=True)
class RunSummary:
    """The numbers of a run so far, None if not recorded. Bits are per character, validation bits on held-out text.

    `goodput` is the share of the run's wall time that went into steps that count. The names are JSON keys of
    jobs.report --json.
    """

    steps: int
    planned_steps: int
    ended_early: bool
    epochs: float
    planned_epochs: float
    chars: int
    best_bits: float | None
    best_epoch: int | None
    last_bits: float | None
    last_epoch: int | None
    training_bits: float | None
    chars_per_second: float | None
    goodput: float | None
    starts: int
    seconds: float


@dataclass(frozen=True)
class Goodput:
    """Seconds of steps that count, a lower bound, and the seconds from the first sign of life to the last."""

    step_seconds: float
    wall_seconds: float

    @property
    def share(self) -> float:
        return self.step_seconds / self.wall_seconds


def summarize(history: RunHistory) -> RunSummary:
    """Summarize a run."""
    plan, validated = history.plan, history.validated
    best = min(validated, key=lambda row: row.bits_per_char, default=None)
    speeds = [speed.chars_per_second for attempt in history.attempts for speed in attempt.speeds]
    useful = measure_goodput(history)
    times = [time for attempt in history.attempts for time in (attempt.began, attempt.ended)]
    return RunSummary(
        steps=history.step,
        planned_steps=plan.steps,
        ended_early=history.ended_early,
        epochs=history.step / plan.steps_per_epoch,
        planned_epochs=plan.steps / plan.steps_per_epoch,
        chars=history.chars_trained(history.step),
        best_bits=best.bits_per_char if best else None,
        best_epoch=best.epoch if best else None,
        last_bits=validated[-1].bits_per_char if validated else None,
        last_epoch=validated[-1].epoch if validated else None,
        training_bits=history.trained[-1].bits_per_char if history.trained else None,
        chars_per_second=median(speeds) if speeds else None,
        goodput=useful.share if useful else None,
        starts=len(history.attempts),
        seconds=max(times) - min(times) if times else 0.0,
    )


def measure_goodput(history: RunHistory) -> Goodput | None:
    """Measure goodput. Returns None if start records are missing, damaged or contradict each other."""
    if history.damaged or not history.attempts:
        return None
    wall = history.attempts[-1].ended - history.attempts[0].began
    steps = sum(ended - began for began, ended in history.step_spans())
    return Goodput(steps, wall) if 0 < steps <= wall else None


def summary_rows(summary: RunSummary) -> Iterator[tuple[str, str]]:
    """Yield each number of a summary as (name, text)."""
    yield "best validation, bits per character", _validation(summary.best_bits, summary.best_epoch)
    yield "last validation, bits per character", _validation(summary.last_bits, summary.last_epoch)
    yield "last training, bits per character", _number(summary.training_bits, ".3f")
    yield "steps", f"{summary.steps:,} of {summary.planned_steps:,}{_early_end(summary)}"
    yield "epochs", f"{summary.epochs:.3g} of {summary.planned_epochs:.3g}"
    yield "characters trained", f"{summary.chars:,}"
    yield "characters per second, median", _number(summary.chars_per_second, ",.0f")
    yield "goodput", _number(summary.goodput, ".1%")
    yield "starts", f"{summary.starts}"
    yield "from first to last sign of life", format_duration(summary.seconds)


def format_duration(seconds: float) -> str:
    """Format a duration in its two largest units: 42 s, 3 min 5 s, 2 h 4 min, 3 d 2 h."""
    whole = round(seconds)
    for large, small, length, part in (("d", "h", 86400, 3600), ("h", "min", 3600, 60), ("min", "s", 60, 1)):
        if whole >= length:
            return f"{whole // length} {large} {whole % length // part} {small}"
    return f"{whole} s"


def _validation(bits: float | None, epoch: int | None) -> str:
    return "-" if bits is None else f"{bits:.3f} (epoch {epoch})"


def _early_end(summary: RunSummary) -> str:
    return f": ended early, not better since epoch {summary.best_epoch}" if summary.ended_early else ""


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
