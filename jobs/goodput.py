"""How much of a run's wall time went into steps that count."""

import math
from collections.abc import Sequence
from itertools import pairwise

from jobs.events import Start


def goodput(starts: Sequence[Start], *, chars_per_step: int) -> str | None:
    """How much of the wall time went into the run's steps; None where the events do not tell it."""
    wall = starts[-1].ended - starts[0].began
    steps = seconds_in_steps(starts, chars_per_step=chars_per_step)
    if not 0 < steps <= wall:
        return None
    return (
        f"Goodput {steps / wall:.1%}: of {wall:,.0f} seconds from the first event to the last at least {steps:,.0f} "
        "went into steps that count. The rest is validation, samples, starting, the time between two starts, steps "
        "made again, and those before each start's first row."
    )


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
