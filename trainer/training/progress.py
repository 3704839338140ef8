"""Progress of training: a bar on a terminal, a log line every 30 seconds elsewhere."""

import logging
import math
import sys

from tqdm import tqdm

from preprocessing.progress import Progress

log = logging.getLogger(__name__)


class TrainingProgress:
    """Epoch, loss, predicted characters a second and the time left, of a run that goes on at step `start`."""

    def __init__(self, *, start: int, steps: int, chars_per_step: int) -> None:
        self._start, self._steps, self._chars = start, steps, chars_per_step
        self._progress: Progress | None = None
        self._has_line = False
        self._bar = tqdm(
            total=steps * chars_per_step,
            initial=start * chars_per_step,
            unit="char",
            unit_scale=True,
            dynamic_ncols=True,
            disable=not sys.stderr.isatty(),
        )

    def end_step(self, step: int) -> None:
        """Count a step. Time is measured from the end of the first step, which compiles."""
        if self._progress is None:
            self._progress, self._start = Progress(line_seconds=30.0), step
        self._bar.update(step * self._chars - self._bar.n)

    def end_row(self, step: int, *, epoch: int, loss: float) -> None:
        """Show a metric row. In a log, the first row, the last row and one row in each 30 seconds make a line."""
        self._bar.set_postfix_str(f"epoch {epoch} loss {loss:.3f}")
        if self._progress is None or not self._bar.disable:
            return
        if self._progress.is_due() or step == self._steps or not self._has_line:
            self._has_line = True
            seconds = self._progress.seconds
            rate = (step - self._start) * self._chars / seconds if seconds else 0.0
            left = (self._steps - step) * self._chars / rate if rate else math.nan
            log.info(
                "step %d/%d epoch %d loss %.3f nats, %.0f characters/s, %.0f s left",
                *(step, self._steps, epoch, loss, rate, left),
                extra={"step": step},
            )
