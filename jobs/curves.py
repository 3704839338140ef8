"""The curves of a run, each as an SVG. Narrow, for a phone to show them without shrinking their text."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jobs.drawing import drawing, svg
from jobs.events import Start
from trainer.rows import Trained, Validated

INCHES = (5, 3)
POINTS = 2000  # in a curve, at most: more are not told apart, and make a file of megabytes
TRAINING, VALIDATION, RATE, SPEED = "training", "validation", "learning rate", "throughput"  # ids in the SVG


def loss(trained: Sequence[Trained], validated: Sequence[Validated]) -> bytes:
    """Bits per character over steps, in training and on held-out text."""
    with drawing():
        figure, axes = _axes(xlabel="step", ylabel="bits per character")
        _curve(axes, [(row.step, row.bits_per_char) for row in trained], TRAINING, linewidth=1, alpha=0.7)
        _curve(axes, [(row.step, row.bits_per_char) for row in validated], VALIDATION, marker="o", markersize=4)
        axes.legend()
        return svg(figure)


def learning_rate(trained: Sequence[Trained]) -> bytes:
    """The learning rate over steps."""
    with drawing():
        figure, axes = _axes(xlabel="step", ylabel="learning rate")
        _curve(axes, [(row.step, row.learning_rate) for row in trained], RATE)
        axes.set_ylim(bottom=0)
        return svg(figure)


def throughput(starts: Sequence[Start]) -> bytes:
    """Characters a second over the wall time since the first event of at least one start; a vertical line at each
    start but the first."""
    with drawing():
        began = starts[0].began
        unit, seconds = _unit(max(start.ended for start in starts) - began)
        figure, axes = _axes(xlabel=f"{unit} since the first event", ylabel="characters/s")
        for number, start in enumerate(starts):
            rows = [((row.time - began) / seconds, row.chars_per_second) for row in start.speeds]
            _curve(axes, rows, f"{SPEED} {number}", color="C0", marker="." if len(rows) == 1 else "")
        for number, (_, start) in enumerate(pairwise(starts), start=1):
            line = axes.axvline((start.began - began) / seconds, color="C3", linestyle="--", linewidth=1)
            line.set_gid(f"restart {number}")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        return svg(figure)


def _unit(seconds: float) -> tuple[str, float]:
    """In which unit of time, of how many seconds, so long a time is told."""
    units = (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0))
    return next(((unit, length) for unit, length in units if seconds >= 3 * length), ("seconds", 1.0))


def _axes(**labels: str) -> tuple[Figure, Axes]:
    figure = Figure(INCHES, layout="constrained")
    axes = figure.add_subplot(**labels)
    axes.grid(alpha=0.3)
    return figure, axes


def _curve(axes: Axes, points: Sequence[tuple[float, float]], name: str, **style: Any) -> None:
    """The points in order, `name` their line's label and id; of more than POINTS the means of neighbours."""
    if points:
        shown = thinned(np.array(points, np.float64))
        axes.plot(shown[:, 0], shown[:, 1], label=name, gid=name, **style)


def thinned(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """At most POINTS points [n, 2], each the mean of as many neighbours."""
    groups = np.array_split(points, min(len(points), POINTS))
    return np.array([group.mean(axis=0) for group in groups])
