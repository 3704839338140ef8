"""How far a run is: a bar on a terminal, one plain line per interval in a log."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from tqdm import tqdm

log = logging.getLogger(__name__)

LINE_SECONDS = 30.0
Item = TypeVar("Item")


def counted(
    done: Iterable[Item], *, unit: str, total: int | None = None, size: Callable[[Item], int] = lambda _: 1
) -> Iterator[Item]:
    """The items as they are done, with a bar on a terminal or else a line now and then: how many, or how much where
    they have a size, and how fast; and how long yet where the total is known."""
    began = shown = time.monotonic()
    count, terminal = 0, sys.stderr.isatty()
    with tqdm(total=total, unit=unit, unit_scale=total is None, dynamic_ncols=True, disable=not terminal) as bar:
        for item in done:
            yield item
            count += size(item)
            bar.update(size(item))
            now = time.monotonic()
            if not terminal and now > shown + LINE_SECONDS:
                shown, rate = now, count / (now - began)
                of, left = (f" of {total}", f", {(total - count) / rate:.0f} s left") if total else ("", "")
                log.info("%d%s %ss, %.1f a second%s", count, of, unit, rate, left)


class Bar:
    """A terminal's progress bar, with the rate in predicted characters a second and the time left."""

    def __init__(self, *, start: int, steps: int, chars_per_step: int) -> None:
        self._chars = chars_per_step
        scale: dict[str, Any] = {"unit": "char", "unit_scale": True, "dynamic_ncols": True}
        self._bar = tqdm(total=steps * chars_per_step, initial=start * chars_per_step, **scale)

    def step(self, done: int) -> None:
        self._bar.update(done * self._chars - self._bar.n)

    def row(self, done: int, *, epoch: int, loss: float) -> None:  # noqa: ARG002
        self._bar.set_postfix_str(f"epoch {epoch} loss {loss:.3f}")


class Lines:
    """Plain lines: step, epoch, loss, rate, time left. The first row at once, so that a log shows it runs."""

    def __init__(self, *, start: int, steps: int, chars_per_step: int) -> None:
        self._start, self._steps, self._chars = start, steps, chars_per_step
        self._began: float | None = None
        self._shown = -LINE_SECONDS

    def step(self, done: int) -> None:
        if self._began is None:  # after the first step, whose time is the compiler's
            self._began, self._start = time.monotonic(), done

    def row(self, done: int, *, epoch: int, loss: float) -> None:
        now = time.monotonic()
        if now < self._shown + LINE_SECONDS and done < self._steps:
            return
        self._shown = now
        seconds = now - (self._began or now)
        rate = (done - self._start) * self._chars / seconds if seconds else 0.0
        left = (self._steps - done) * self._chars / rate if rate else float("nan")
        log.info(
            "step %d/%d epoch %d loss %.3f nats, %.0f characters/s, %.0f s left",
            *(done, self._steps, epoch, loss, rate, left),
        )


def progress(*, start: int, steps: int, chars_per_step: int) -> Bar | Lines:
    """A bar if stderr is a terminal, else lines."""
    kind = Bar if sys.stderr.isatty() else Lines
    return kind(start=start, steps=steps, chars_per_step=chars_per_step)
