"""The comparison page of several runs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from jobs.history.comparison import Runs, common_samples, compare_configurations, compare_datasets
from jobs.history.run_history import RunHistory
from jobs.history.summary import chars_trained, summarize, summary_rows
from jobs.pages import curves
from jobs.pages.html import render
from trainer.runs.metric_rows import Row


def comparison_page(runs: Runs) -> bytes:
    """Render the page. The same runs give the same bytes."""
    names = list(runs)
    columns = [list(summary_rows(summarize(history))) for history in runs.values()]
    return render(
        "comparison.html.j2",
        title=" and ".join(names) if len(names) == 2 else f"{len(names)} runs",
        names=names,
        urls=[(name, history.run.bucket.url) for name, history in runs.items()],
        summary=[(row[0][0], *(text for _, text in row)) for row in zip(*columns, strict=True)],
        loss_plots=[
            _plot(runs, lambda _, row: row.step, xlabel="step", alt="bits per character over steps"),
            _plot(runs, _chars, xlabel="characters trained", alt="bits per character over characters"),
        ],
        configuration=_rows(compare_configurations(runs)),
        dataset=_rows(compare_datasets(runs)),
        epochs=common_samples(runs),
    )


def _chars(history: RunHistory, row: Row) -> int:
    return chars_trained(history, row.step)


def _plot(runs: Runs, x: Callable[[RunHistory, Row], int], *, xlabel: str, alt: str) -> Markup:
    """Plot the losses of all runs over x."""

    def points(history: RunHistory, rows: Sequence[Row]) -> curves.Points:
        return [(x(history, row), row.bits_per_char) for row in rows]

    lines = {name: (points(run, run.trained), points(run, run.validated)) for name, run in runs.items()}
    return curves.plot_runs(lines, xlabel=xlabel, alt=alt)


def _rows(differences: Mapping[str, Sequence[Any]]) -> list[tuple[str, ...]]:
    return [(key, *("-" if value is None else str(value) for value in values)) for key, values in differences.items()]
