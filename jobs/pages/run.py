"""The report page of one run."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from markupsafe import Markup

from jobs.history.run_history import Attempt, RunHistory, read_run_history
from jobs.history.summary import Goodput, format_duration, measure_goodput, summarize, summary_rows
from jobs.pages import curves
from jobs.pages.html import render
from jobs.terminal.dataset import manifest_sections
from preprocessing.settings import as_yaml
from preprocessing.storage.urls import last_part
from trainer.runs.folder import Run
from trainer.runs.metric_rows import Validated
from trainer.runtime.machine import list_versions


def report_page(run: Run) -> bytes:
    """Render the page. The same run and versions give the same bytes.

    Raises InputError, with the object's name, if an object of the run is damaged.
    """
    history = read_run_history(run)
    return render(
        "report.html.j2",
        title=f"Run {last_part(run.bucket.url)}",
        step=history.step,
        summary=list(summary_rows(summarize(history))),
        loss_plots=list(_loss_plots(history)),
        validated=[_validated(row) for row in history.validated],
        time_plots=list(_time_plots(history)),
        damaged=history.damaged,
        restarts=history.restarts,
        goodput=_goodput(measure_goodput(history)),
        starts=[_start(number, attempt) for number, attempt in enumerate(history.attempts, start=1)],
        epochs=list(reversed(history.samples)),
        dataset=manifest_sections(run.manifest),
        configuration=as_yaml(run.config).strip(),
        machine=next((attempt.machine for attempt in reversed(history.attempts) if attempt.machine), None),
        versions=list(list_versions()),
    )


def _loss_plots(history: RunHistory) -> Iterator[Markup]:
    if history.trained or history.validated:
        yield curves.plot_loss(history)
    if history.trained:
        yield curves.plot_learning_rate(history)


def _validated(row: Validated) -> Sequence[str]:
    return f"{row.epoch}", f"{row.step:,}", f"{row.bits_per_char:.4f}", f"{row.chars:,}"


def _time_plots(history: RunHistory) -> Iterator[Markup]:
    if any(attempt.speeds for attempt in history.attempts):
        yield curves.plot_throughput(history)
    if not history.damaged and any(len(attempt.speeds) > 1 for attempt in history.attempts):
        yield curves.plot_goodput(history)


def _goodput(goodput: Goodput | None) -> str:
    if goodput is None:
        return ""
    return (
        f"Goodput {goodput.share:.1%}: at least {goodput.step_seconds:,.0f} of {goodput.wall_seconds:,.0f} seconds "
        "went into steps that count. The rest is validation, samples, start-up, time between starts, repeated steps, "
        "and the steps before the first row of each start."
    )


def _start(number: int, attempt: Attempt) -> Sequence[str]:
    """Return the cells of a row of the table of starts."""
    pauses = [f"paused for {format_duration(last - first)}" for first, last in attempt.pauses]
    machine = attempt.machine
    gpus = machine.get("GPUs", "none")
    hardware = [machine.get("CPU", ""), f"GPUs: {gpus}" if gpus != "none" else ""]
    return (
        f"{number}",
        f"{datetime.fromtimestamp(attempt.began, UTC):%Y-%m-%d %H:%M:%S}",
        format_duration(attempt.ended - attempt.began),
        f"{attempt.first_step:,}",
        f"{attempt.last_step:,}",
        "; ".join(filter(None, [attempt.how, attempt.why, *pauses])),
        machine.get("host", "-"),
        ", ".join(filter(None, hardware)) or "-",
    )
