"""A trace of some steps for TensorBoard's profile tab: the time of each operation, on the CPU and on GPUs."""

import logging
from pathlib import Path

import tensorflow as tf

log = logging.getLogger(__name__)


class Profiler:
    """Traces `steps` steps, after the first `first` steps of this start, into TensorBoard's folder.

    `left` is the number of steps until the end of the run; the trace ends there at the latest.
    """

    def __init__(self, folder: Path, *, first: int, steps: int, left: int) -> None:
        self._folder = folder
        self._first = first
        self._last = min(first + steps, left)
        self._done = 0

    def end_step(self) -> None:
        """Start or stop the trace after a step, if it is time. An error costs the trace, never the run."""
        self._done += 1
        try:
            if self._done == self._first < self._last:
                tf.profiler.experimental.start(str(self._folder))
            elif self._done == self._last > self._first:
                tf.profiler.experimental.stop()
                log.info("profile of %d steps, for TensorBoard's profile tab", self._last - self._first)
        except (tf.errors.OpError, OSError) as error:
            log.warning("no profile: %s", " ".join(str(error).split()))
