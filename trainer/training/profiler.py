"""A trace of some steps for TensorBoard's profile tab: where their time goes, on the CPU and on GPUs."""

import logging
from pathlib import Path

import tensorflow as tf

log = logging.getLogger(__name__)


class Profile:
    """Traces `steps` steps, after the first `first` of this start, into the folder of TensorBoard's events."""

    def __init__(self, folder: Path, *, first: int, steps: int, left: int) -> None:
        """`left`: how many steps the run still has; the trace ends with it."""
        self._folder = folder
        self._first = first
        self._last = min(first + steps, left)
        self._done = 0

    def step(self) -> None:
        """To be called after each step. What goes wrong with a trace costs the run nothing."""
        self._done += 1
        try:
            if self._done == self._first < self._last:
                tf.profiler.experimental.start(str(self._folder))
            elif self._done == self._last > self._first:
                tf.profiler.experimental.stop()
                log.info("profile of %d steps, for TensorBoard's profile tab", self._last - self._first)
        except (tf.errors.OpError, OSError) as error:
            log.warning("no profile: %s", " ".join(str(error).split()))
