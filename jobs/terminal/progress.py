"""Progress of a training run: a bar on a terminal, a line every 30 s in a log."""

import logging
import sys
import time
from typing import Any

from tqdm import tqdm

log = logging.getLogger(__name__)

LINE_SECONDS = 30.0


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
