"""A comparison of runs as an HTML page."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jobs.history import comparison
from jobs.history.comparison import Compared
from jobs.history.figures import shown
from jobs.pages import curves
from jobs.pages.curves import Points
from jobs.pages.html import render
from jobs.pages.svg import image
from trainer.runs.metric_rows import Row

TEMPLATE = "comparison.html.j2"


def page(runs: Sequence[Compared]) -> bytes:
    """The file's bytes, the same for the same runs."""
    figures = [list(shown(one.figures)) for one in runs]
    return render(
        TEMPLATE,
        title=" and ".join(one.name for one in runs) if len(runs) == 2 else f"{len(runs)} runs",
        names=[one.name for one in runs],
        urls=[(one.name, one.run.bucket.url) for one in runs],
        figures=[(row[0][0], *(value for _, value in row)) for row in zip(*figures, strict=True)],
        plots=[
            _plot(runs, lambda _, row: row.step, xlabel="step", alt="bits per character over steps"),
            _plot(runs, Compared.chars, xlabel="characters trained", alt="bits per character over characters"),
        ],
        configuration=_rows(comparison.configurations(runs)),
        dataset=_rows(comparison.datasets(runs)),
        epochs=comparison.samples(runs),
    )


def _plot(runs: Sequence[Compared], place: Callable[[Compared, Row], int], *, xlabel: str, alt: str) -> str:
    """The losses of all runs, each at its row's `place`."""

    def points(one: Compared, rows: Sequence[Row]) -> Points:
        return [(place(one, row), row.bits_per_char) for row in rows]

    lines = {one.name: (points(one, one.history.trained), points(one, one.history.validated)) for one in runs}
    return image(curves.compared(lines, xlabel=xlabel), alt=alt)


def _rows(different: Mapping[str, Sequence[Any]]) -> list[tuple[str, ...]]:
    return [(key, *("-" if value is None else str(value) for value in values)) for key, values in different.items()]
