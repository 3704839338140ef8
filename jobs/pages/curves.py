"""The curves of a run, or of several, each as an SVG. Narrow, for a phone to show them without shrinking their text."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from jobs.history.attempts import LOST, Attempt
from jobs.history.events import Start
from jobs.history.goodput import in_steps, over_time
from jobs.pages.svg import COLORS, drawing, svg
from trainer.runs.metric_rows import Trained, Validated
from trainer.runs.start_records import EVICTED, FAILED, STALLED, STOPPED

INCHES = (5, 3)
POINTS = 2000  # in a curve, at most: more are not told apart, and make a file of megabytes
PARTS = 60  # of a run's time, each with its goodput
TRAINING, VALIDATION, RATE, SPEED = "training", "validation", "learning rate", "throughput"  # ids in the SVG
BLUE, ORANGE, GREEN, RED, PURPLE, GREY = COLORS
ENDS = {EVICTED: (ORANGE, "--"), LOST: (RED, "--"), FAILED: (RED, ":"), STALLED: (PURPLE, "-."), STOPPED: (GREY, "--")}

Points = Sequence[tuple[float, float]]


def loss(trained: Sequence[Trained], validated: Sequence[Validated]) -> bytes:
    """Bits per character over steps, in training and on held-out text."""
    with drawing():
        figure, axes = _axes(xlabel="step", ylabel="bits per character")
        _curve(axes, [(row.step, row.bits_per_char) for row in trained], TRAINING, linewidth=1.2)
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


def throughput(starts: Sequence[Start], attempts: Sequence[Attempt]) -> bytes:
    """Characters a second over the wall time since the first of at least one start, with what interrupted it."""
    with drawing():
        figure, axes, began, seconds = _over_time(attempts, ylabel="characters/s")
        for number, start in enumerate(starts):
            rows = [((row.time - began) / seconds, row.chars_per_second) for row in start.speeds]
            _curve(axes, rows, "", f"{SPEED} {number}", color=BLUE, marker="." if len(rows) == 1 else "")
        axes.set_ylim(bottom=0)
        _legend(axes)
        return svg(figure)


def useful(starts: Sequence[Start], attempts: Sequence[Attempt], *, chars_per_step: int) -> bytes:
    """Which share of the wall time went into steps that count, in each part of it, with what interrupted it."""
    with drawing():
        figure, axes, began, seconds = _over_time(attempts, ylabel="goodput")
        ended = max(attempt.ended for attempt in attempts)
        spans = in_steps(starts, chars_per_step=chars_per_step)
        shares, edges = over_time(spans, began=began, ended=ended, parts=PARTS)
        stairs = axes.stairs(shares, (edges - began) / seconds, fill=True, color=GREEN, alpha=0.55)
        stairs.set_gid("goodput")
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.set_ylim(0, 1)
        _legend(axes)
        return svg(figure)


def compared(lines: Mapping[str, tuple[Points, Points]], *, xlabel: str) -> bytes:
    """Bits per character of several runs by name: each its training, thin, and its points on held-out text."""
    with drawing():
        figure, axes = _axes(xlabel=xlabel, ylabel="bits per character")
        for number, (name, (trained, validated)) in enumerate(lines.items()):
            color = COLORS[number % len(COLORS)]
            _curve(axes, trained, "", f"{TRAINING} {number}", color=color, linewidth=1, alpha=0.45)
            _curve(axes, validated, name, f"{VALIDATION} {number}", color=color, marker="o", markersize=4)
        axes.legend()
        return svg(figure)


def _over_time(attempts: Sequence[Attempt], **labels: str) -> tuple[Figure, Axes, float, float]:
    """Axes over the wall time of at least one start; when it began, and the seconds in the unit that it is told in."""
    began = attempts[0].began
    lasted = max(attempt.ended for attempt in attempts) - began
    unit, seconds = _unit(lasted)
    figure, axes = _axes(xlabel=f"{unit} since the first start", **labels)
    axes.set_xlim(0, lasted / seconds or 1)
    for number, (before, after) in enumerate(pairwise(attempts), start=1):
        color, style = ENDS.get(before.how, (GREY, ":"))
        times = [(time - began) / seconds for time in (before.ended, after.began)]
        axes.axvspan(*times, color=color, alpha=0.15, linewidth=0)
        line = axes.axvline(times[1], color=color, linestyle=style, linewidth=1.2, label=before.how)
        line.set_gid(f"restart {number}")
    for number, (first, last) in enumerate(pause for attempt in attempts for pause in attempt.pauses):
        span = axes.axvspan(
            (first - began) / seconds, (last - began) / seconds, color=PURPLE, alpha=0.25, linewidth=0, label="pause"
        )
        span.set_gid(f"pause {number}")
    return figure, axes, began, seconds


def _legend(axes: Axes) -> None:
    """Each kind of interruption once."""
    handles, labels = axes.get_legend_handles_labels()
    kinds = dict(zip(labels, handles, strict=True))
    if kinds:
        axes.legend(kinds.values(), kinds.keys(), fontsize="small", ncols=3, loc="lower left", bbox_to_anchor=(0, 1))


def _unit(seconds: float) -> tuple[str, float]:
    """In which unit of time, of how many seconds, so long a time is told."""
    units = (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0))
    return next(((unit, length) for unit, length in units if seconds >= 3 * length), ("seconds", 1.0))


def _axes(**labels: str) -> tuple[Figure, Axes]:
    figure = Figure(INCHES, layout="constrained")
    axes = figure.add_subplot(**labels)
    axes.grid(alpha=0.2)
    return figure, axes


def _curve(axes: Axes, points: Points, label: str, name: str = "", **style: Any) -> None:
    """The points in order, `name` their line's id (else the label); of more than POINTS the means of neighbours."""
    if points:
        shown = thinned(np.array(points, np.float64))
        axes.plot(shown[:, 0], shown[:, 1], label=label, gid=name or label, **style)


def thinned(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """At most POINTS points [n, 2], each the mean of as many neighbours."""
    groups = np.array_split(points, min(len(points), POINTS))
    return np.array([group.mean(axis=0) for group in groups])
