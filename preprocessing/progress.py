"""Progress of long work: a bar on a terminal, a line now and then in a log, with the time that is left."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

log = logging.getLogger(__name__)

Item = TypeVar("Item")


class Progress:
    """The time that some work has taken and will take, and whether a log line is due, every `line_seconds`."""

    def __init__(self, *, line_seconds: float = 10.0) -> None:
        self._line_seconds = line_seconds
        self._started = self._last_line = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def seconds_left(self, fraction: float) -> float:
        """Return the seconds that are left if `fraction` of the work is done, or NaN if nothing is done."""
        return self.seconds * (1 - fraction) / fraction if fraction else float("nan")

    def is_due(self) -> bool:
        """Return whether a log line is due. If so, the next one is due `line_seconds` later."""
        now = time.monotonic()
        if now < self._last_line + self._line_seconds:
            return False
        self._last_line = now
        return True


def report_progress(
    items: Iterable[Item], *, unit: str, total: int | None = None, size: Callable[[Item], int] = lambda _: 1
) -> Iterator[Item]:
    """Yield the items, and report the number that are done, or their total size: a bar, or a log line each 30 s.

    The rate is always reported, and the time left if `total` is known.
    """
    progress, done, terminal = Progress(line_seconds=30.0), 0, sys.stderr.isatty()
    with tqdm(total=total, unit=unit, unit_scale=total is None, dynamic_ncols=True, disable=not terminal) as bar:
        for item in items:
            yield item
            done += size(item)
            bar.update(size(item))
            if not terminal and progress.is_due():
                of_total = f" of {total}" if total else ""
                left = f", {progress.seconds_left(done / total):.0f} s left" if total else ""
                log.info("%d%s %ss, %.1f a second%s", done, of_total, unit, done / progress.seconds, left)
