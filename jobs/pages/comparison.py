"""The comparison page of several runs."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from jobs.history import comparison
from jobs.history.comparison import Runs, read_runs
from jobs.pages.curves import plot_runs
from jobs.pages.html import render


def comparison_page(urls: Sequence[str]) -> bytes:
    """Render the page of the runs at these URLs. The same runs give the same bytes. Raises InputError as read_runs."""
    runs = read_runs(urls)
    names = list(runs)
    return render(
        "comparison.html.j2",
        title=" and ".join(names) if len(names) == 2 else f"{len(names)} runs",
        names=names,
        urls=[(name, history.run.bucket.url) for name, history in runs.items()],
        summary=comparison.compare_summaries(runs),
        loss_plots=[_plot(runs, by_chars=False), _plot(runs, by_chars=True)],
        configuration=_rows(comparison.compare_configurations(runs)),
        dataset=_rows(comparison.compare_datasets(runs)),
        epochs=comparison.common_samples(runs),
    )


def _plot(runs: Runs, *, by_chars: bool) -> Markup:
    """Plot the losses of all runs over steps, or over characters trained: the batch sizes may differ."""
    lines = {}
    for name, history in runs.items():
        x = history.chars_trained if by_chars else int
        losses = (history.trained, history.validated)
        lines[name] = [[(x(row.step), row.bits_per_char) for row in rows] for rows in losses]
    if by_chars:
        return plot_runs(lines, xlabel="characters trained", alt="bits per character over characters")
    return plot_runs(lines, xlabel="step", alt="bits per character over steps")


def _rows(differences: Mapping[str, Sequence[Any]]) -> list[tuple[str, ...]]:
    return [(key, *("-" if value is None else str(value) for value in values)) for key, values in differences.items()]
