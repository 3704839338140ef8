"""The speed of one start over time, in a bounded number of points."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

from pydantic import Field

from preprocessing.json_format import Count

MAX_POINTS = 256  # some 20 KB in a start record, which is written with each save


@dataclass(frozen=True)
class Speed:
    """Predicted characters per second over the steps since the point before. `time` is in seconds since 1970."""

    time: float
    step: Count
    chars_per_second: Annotated[float, Field(gt=0, allow_inf_nan=False)]


class SpeedCurve:
    """The speeds of a start that begins at `first_step`. Beyond MAX_POINTS the interval between points doubles.

    `points` are in order, and the last is of the newest metric row. Another thread may read them.
    """

    def __init__(self, first_step: int) -> None:
        self._first_step, self._interval = first_step, 1
        self._merged: tuple[Speed, ...] = ()  # each over `_interval` metric rows
        self._recent: tuple[Speed, ...] = ()  # each over one row; fewer than `_interval`
        self.points: tuple[Speed, ...] = ()

    def add(self, speed: Speed) -> None:
        """Add the speed of one metric row."""
        self._recent = (*self._recent, speed)
        before = self._merged[-1].step if self._merged else self._first_step
        self.points = (*self._merged, _merge(self._recent, before))
        if len(self._recent) == self._interval:
            self._merged, self._recent = self.points, ()
        if len(self._merged) == MAX_POINTS:
            self._merged, self._interval = self._merged_in_pairs(), 2 * self._interval
            self.points = self._merged

    def _merged_in_pairs(self) -> tuple[Speed, ...]:
        pairs = zip(self._merged[::2], self._merged[1::2], strict=True)
        befores = (self._first_step, *(speed.step for speed in self._merged[1::2]))
        return tuple(_merge(pair, before) for pair, before in zip(pairs, befores, strict=False))


def _merge(speeds: Sequence[Speed], before: int) -> Speed:
    """Return one point for the steps of several points in a row, the first of which follows step `before`."""
    steps = [last - first for first, last in pairwise([before, *(speed.step for speed in speeds)])]
    seconds = sum(count / speed.chars_per_second for count, speed in zip(steps, speeds, strict=True))
    return Speed(speeds[-1].time, speeds[-1].step, round(sum(steps) / seconds, 1))
