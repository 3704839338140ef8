"""The report of a run as an HTML page."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from jobs.cli import config
from jobs.history.attempts import Attempt
from jobs.history.figures import figures, shown, useful
from jobs.history.run_history import History
from jobs.history.summary import summary
from jobs.pages import curves
from jobs.pages.html import render
from jobs.pages.svg import image
from jobs.terminal.dataset import facts
from jobs.terminal.duration import duration
from trainer.data.plan import Plan
from trainer.runs.folder import Run, plan_of
from trainer.runs.metric_rows import Validated
from trainer.runtime.versions import versions

TEMPLATE = "report.html.j2"


def page(name: str, run: Run, history: History) -> bytes:
    """The file's bytes, the same for the same run and versions."""
    plan = plan_of(run.config, run.manifest)
    machine = next((attempt.machine for attempt in reversed(history.attempts) if attempt.machine), None)
    return render(
        TEMPLATE,
        title=f"Run {name}",
        summary=summary(run, plan, history),
        figures=list(shown(figures(run, plan, history))),
        loss=list(_loss(history)),
        validated=[_validated(row) for row in history.validated],
        speed=list(_speed(plan, history)),
        damaged=history.damaged,
        restarts=len(history.attempts) - 1,
        goodput=_goodput(plan, history),
        starts=[_start(number, attempt) for number, attempt in enumerate(history.attempts, start=1)],
        epochs=list(reversed(history.samples)),
        dataset=facts(run.manifest),
        configuration=config.as_yaml(run.config).strip(),
        machine=machine.items() if machine else None,
        versions=list(versions()),
    )


def _loss(history: History) -> Iterator[str]:
    if history.trained or history.validated:
        yield image(curves.loss(history.trained, history.validated), alt="bits per character over steps")
    if history.trained:
        yield image(curves.learning_rate(history.trained), alt="learning rate over steps")


def _validated(row: Validated) -> Sequence[str]:
    return f"{row.epoch}", f"{row.step:,}", f"{row.bits_per_char:.4f}", f"{row.chars:,}"


def _speed(plan: Plan, history: History) -> Iterator[str]:
    starts, attempts = history.starts, history.attempts
    if any(start.speeds for start in starts):
        yield image(curves.throughput(starts, attempts), alt="characters a second over time")
    if not history.damaged and any(len(start.speeds) > 1 for start in starts):
        drawn = curves.useful(starts, attempts, chars_per_step=plan.chars_per_step)
        yield image(drawn, alt="goodput over time")


def _goodput(plan: Plan, history: History) -> str:
    told = useful(plan, history)
    if told is None:
        return ""
    return (
        f"Goodput {told.step_seconds / told.wall_seconds:.1%}: of {told.wall_seconds:,.0f} seconds from the first "
        f"event to the last at least {told.step_seconds:,.0f} went into steps that count. The rest is validation, "
        "samples, starting, the time between two starts, steps made again, and those before each start's first row."
    )


def _start(number: int, attempt: Attempt) -> Sequence[str]:
    pauses = [f"paused for {duration(last - first)}" for first, last in attempt.pauses]
    machine = attempt.machine
    place = [machine.get("CPU", ""), f"GPUs: {machine['GPUs']}" if machine.get("GPUs", "none") != "none" else ""]
    return (
        f"{number}",
        f"{datetime.fromtimestamp(attempt.began, UTC):%Y-%m-%d %H:%M:%S}",
        duration(attempt.ended - attempt.began),
        f"{attempt.first_step:,}",
        f"{attempt.last_step:,}",
        "; ".join([attempt.how, *([attempt.why] if attempt.why else []), *pauses]),
        machine.get("host", "-"),
        ", ".join(part for part in place if part) or "-",
    )
