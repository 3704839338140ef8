"""How much of a run's wall time went into steps that count."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from jobs.history.events import Start


@dataclass(frozen=True)
class Goodput:
    """Of `wall_seconds` from the first event to the last at least `step_seconds` went into steps that count."""

    step_seconds: float
    wall_seconds: float


def goodput(starts: Sequence[Start], *, chars_per_step: int) -> Goodput | None:
    """That of at least one start, in order; None where the events do not tell it."""
    wall = starts[-1].ended - starts[0].began
    steps = sum(ended - began for began, ended in in_steps(starts, chars_per_step=chars_per_step))
    return Goodput(steps, wall) if 0 < steps <= wall else None


def in_steps(starts: Sequence[Start], *, chars_per_step: int) -> list[tuple[float, float]]:
    """The times, in seconds since 1970, that went into the run's steps, at the least: of steps made again after a
    restart the later time counts, and none for those before a start's first row, of which the events do not tell how
    many they are."""
    found, again = list[tuple[float, float]](), math.inf
    for start in reversed(starts):
        for before, row in pairwise(start.speeds):
            if row.step < again:
                seconds = (row.step - before.step) * chars_per_step / row.chars_per_second
                found.append((row.time - seconds, row.time))
        again = min([again, *(row.step for row in start.speeds[:1])])
    return sorted(found)


def over_time(
    spans: Sequence[tuple[float, float]], *, began: float, ended: float, parts: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The share [parts] of each of so many equal parts of the time that lies in one of the spans, and the edges
    [parts + 1] of these parts."""
    edges = np.linspace(began, ended, parts + 1)
    lengths = np.zeros(parts)
    for first, last in spans:
        lengths += np.clip(np.minimum(last, edges[1:]) - np.maximum(first, edges[:-1]), 0, None)
    return np.minimum(lengths / np.diff(edges), 1), edges
