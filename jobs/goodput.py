"""How much of a run's wall time went into steps that count."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from jobs.events import Start


@dataclass(frozen=True)
class Goodput:
    """Of `wall_seconds` from the first event to the last at least `step_seconds` went into steps that count."""

    step_seconds: float
    wall_seconds: float


def goodput(starts: Sequence[Start], *, chars_per_step: int) -> Goodput | None:
    """That of at least one start, in order; None where the events do not tell it."""
    wall = starts[-1].ended - starts[0].began
    steps = seconds_in_steps(starts, chars_per_step=chars_per_step)
    return Goodput(steps, wall) if 0 < steps <= wall else None


def seconds_in_steps(starts: Sequence[Start], *, chars_per_step: int) -> float:
    """The time that went into the run's steps, at the least: of steps made again after a restart the later time
    counts, and none for those before a start's first row, of which the events do not tell how many they are."""
    seconds, again = 0.0, math.inf
    for start in reversed(starts):
        for before, row in pairwise(start.speeds):
            if row.step < again:
                seconds += (row.step - before.step) * chars_per_step / row.chars_per_second
        again = min([again, *(row.step for row in start.speeds[:1])])
    return seconds
