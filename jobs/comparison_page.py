"""A comparison of runs as an HTML page."""

from collections.abc import Mapping, Sequence
from typing import Any

from jobs import comparison, curves
from jobs.comparison import Compared
from jobs.curves import Points
from jobs.drawing import image
from jobs.figures import shown
from jobs.html_page import render

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
            image(curves.compared(_lines(runs, by_chars=False), xlabel="step"), alt="bits per character over steps"),
            image(
                curves.compared(_lines(runs, by_chars=True), xlabel="characters trained"),
                alt="bits per character over characters",
            ),
        ],
        configuration=_rows(comparison.configurations(runs)),
        dataset=_rows(comparison.datasets(runs)),
        epochs=comparison.samples(runs),
    )


def _lines(runs: Sequence[Compared], *, by_chars: bool) -> dict[str, tuple[Points, Points]]:
    return {
        one.name: (
            [(one.chars(row) if by_chars else row.step, row.bits_per_char) for row in one.history.trained],
            [(one.chars(row) if by_chars else row.step, row.bits_per_char) for row in one.history.validated],
        )
        for one in runs
    }


def _rows(different: Mapping[str, Sequence[Any]]) -> list[tuple[str, ...]]:
    return [(key, *("-" if value is None else str(value) for value in values)) for key, values in different.items()]
