"""Plots of one run or several, as images. They are narrow, so that a phone need not shrink their text."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from jobs.history.run_history import LOST, RunHistory
from jobs.pages.svg import COLORS, create_axes, drawing, image
from trainer.runs.start_records import EVICTED, FAILED, STALLED, STOPPED

INCHES = (5, 3)
MAX_POINTS = 2000  # in a curve: the eye cannot tell more apart, and the file would be megabytes
GOODPUT_PARTS = 60  # bars of the goodput plot
BLUE, ORANGE, GREEN, RED, PURPLE, GREY = COLORS
INTERRUPTIONS = {
    EVICTED: (ORANGE, "--"),
    LOST: (RED, "--"),
    FAILED: (RED, ":"),
    STALLED: (PURPLE, "-."),
    STOPPED: (GREY, "--"),
}

Points = Sequence[tuple[float, float]]


def plot_loss(history: RunHistory) -> Markup:
    """Plot bits per character over steps, in training and on held-out text."""
    with drawing():
        figure, axes = _axes(xlabel="step", ylabel="bits per character")
        training = [(row.step, row.bits_per_char) for row in history.trained]
        validation = [(row.step, row.bits_per_char) for row in history.validated]
        _curve(axes, training, label="training", linewidth=1.2)
        _curve(axes, validation, label="validation", marker="o", markersize=4)
        axes.legend()
        return image(figure, alt="bits per character over steps")


def plot_learning_rate(history: RunHistory) -> Markup:
    """Plot the learning rate over steps."""
    with drawing():
        figure, axes = _axes(xlabel="step", ylabel="learning rate")
        _curve(axes, [(row.step, row.learning_rate) for row in history.trained], label="learning rate")
        axes.set_ylim(bottom=0)
        return image(figure, alt="learning rate over steps")


def plot_throughput(history: RunHistory) -> Markup:
    """Plot characters per second over wall time, with the interruptions. Needs at least one start."""
    with drawing():
        figure, axes, began, seconds = _time_axes(history, ylabel="characters/s")
        for number, attempt in enumerate(history.attempts):
            points = [((row.time - began) / seconds, row.chars_per_second) for row in attempt.speeds]
            _curve(axes, points, gid=f"throughput {number}", color=BLUE, marker="." if len(points) == 1 else "")
        axes.set_ylim(bottom=0)
        _legend(axes)
        return image(figure, alt="characters per second over time")


def plot_goodput(history: RunHistory) -> Markup:
    """Plot goodput over wall time, with the interruptions. Needs at least one start."""
    with drawing():
        figure, axes, began, seconds = _time_axes(history, ylabel="goodput")
        ended = max(attempt.ended for attempt in history.attempts)
        edges = np.linspace(began, ended, GOODPUT_PARTS + 1)
        shares = covered_shares(history.step_spans(), edges)
        stairs = axes.stairs(shares, (edges - began) / seconds, fill=True, color=GREEN, alpha=0.55)
        stairs.set_gid("goodput")
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.set_ylim(0, 1)
        _legend(axes)
        return image(figure, alt="goodput over time")


def plot_runs(runs: Mapping[str, Sequence[Points]], *, xlabel: str, alt: str) -> Markup:
    """Plot bits per character of several runs, by name. Each has two curves: training and validation."""
    with drawing():
        figure, axes = _axes(xlabel=xlabel, ylabel="bits per character")
        for number, (name, (training, validation)) in enumerate(runs.items()):
            color = COLORS[number % len(COLORS)]
            _curve(axes, training, gid=f"training {number}", color=color, linewidth=1, alpha=0.45)
            _curve(axes, validation, label=name, gid=f"validation {number}", color=color, marker="o", markersize=4)
        axes.legend()
        return image(figure, alt=alt)


def covered_shares(spans: Sequence[tuple[float, float]], edges: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return for each part between two edges [n + 1] the share [n] of it that lies in one of the spans."""
    covered = np.zeros(len(edges) - 1)
    for first, last in spans:
        covered += np.clip(np.minimum(last, edges[1:]) - np.maximum(first, edges[:-1]), 0, None)
    return np.minimum(covered / np.diff(edges), 1)


def mean_points(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Reduce points [n, 2] to at most MAX_POINTS, each the mean of neighbours."""
    groups = np.array_split(points, min(len(points), MAX_POINTS))
    return np.array([group.mean(axis=0) for group in groups])


def _time_axes(history: RunHistory, *, ylabel: str) -> tuple[Figure, Axes, float, float]:
    """Make axes over wall time with the interruptions; return also the first time and the seconds in the unit."""
    attempts = history.attempts
    began = attempts[0].began
    duration = max(attempt.ended for attempt in attempts) - began
    unit, seconds = _time_unit(duration)
    figure, axes = _axes(xlabel=f"{unit} since the first start", ylabel=ylabel)
    axes.set_xlim(0, duration / seconds or 1)
    for number, (before, after) in enumerate(pairwise(attempts), start=1):
        color, style = INTERRUPTIONS.get(before.how, (GREY, ":"))
        down, up = ((time - began) / seconds for time in (before.ended, after.began))
        axes.axvspan(down, up, color=color, alpha=0.15, linewidth=0)
        axes.axvline(up, color=color, linestyle=style, linewidth=1.2, label=before.how, gid=f"restart {number}")
    for number, pause in enumerate(pause for attempt in attempts for pause in attempt.pauses):
        first, last = ((time - began) / seconds for time in pause)
        axes.axvspan(first, last, color=PURPLE, alpha=0.25, linewidth=0, label="pause", gid=f"pause {number}")
    return figure, axes, began, seconds


def _legend(axes: Axes) -> None:
    """Add a legend with each kind of interruption once, if there are any."""
    handles, labels = axes.get_legend_handles_labels()
    kinds = dict(zip(labels, handles, strict=True))
    if kinds:
        axes.legend(kinds.values(), kinds.keys(), fontsize="small", ncols=3, loc="lower left", bbox_to_anchor=(0, 1))


def _time_unit(seconds: float) -> tuple[str, float]:
    """Choose the unit for a duration; return its name and length in seconds."""
    units = (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0))
    return next(((unit, length) for unit, length in units if seconds >= 3 * length), ("seconds", 1.0))


def _axes(**labels: str) -> tuple[Figure, Axes]:
    figure, axes = create_axes(INCHES, **labels)
    axes.grid(alpha=0.2)
    return figure, axes


def _curve(axes: Axes, points: Points, *, label: str = "", gid: str = "", **style: Any) -> None:
    """Add a curve. Its id in the SVG is `gid`, or else the label."""
    if points:
        drawn = mean_points(np.array(points, np.float64))
        axes.plot(drawn[:, 0], drawn[:, 1], label=label, gid=gid or label, **style)
