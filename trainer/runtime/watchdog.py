"""Watchdog: a run that hangs exits for a retry, instead of holding its machine for days."""

import faulthandler
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

STDERR = 2
EARLY = 0.9  # the share of the time after which the run records that it stalled; a write fits in the rest


class Watchdog:
    """A timer that ends the process unless `reset` is called within `seconds`. 0 sets no limit."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._over = Event()
        self.reset()

    def reset(self) -> None:
        """Reset the timer. Call this at each sign of progress."""
        self._progress_at = time.monotonic()
        if self._seconds:
            faulthandler.dump_traceback_later(self._seconds, exit=True, file=STDERR)

    @property
    def quiet_seconds(self) -> float:
        """Seconds since the last sign of progress."""
        return time.monotonic() - self._progress_at

    @property
    def healthy(self) -> bool:
        """True if the last sign of progress is less than half of the limit ago."""
        return not self._seconds or self.quiet_seconds < self._seconds / 2

    def call_before_exit(self, record_stall: Callable[[], None]) -> None:
        """Call `record_stall` in a thread shortly before the limit, if there is no sign of progress.

        If a library holds the interpreter's lock, it is not called, and the process exits all the same.
        """
        if self._seconds:
            Thread(target=self._wait, args=(record_stall,), name="stall", daemon=True).start()

    def _wait(self, record_stall: Callable[[], None]) -> None:
        while not self._over.wait(self._seconds / 50):
            if self.quiet_seconds > EARLY * self._seconds:
                record_stall()
                return

    def stop(self) -> None:
        """Stop the timer for good."""
        self._over.set()
        faulthandler.cancel_dump_traceback_later()


@contextmanager
def run_watchdog(seconds: float) -> Iterator[Watchdog]:
    """Run a watchdog until the block ends. 0 sets no limit.

    At the limit, the stacks of all threads go to stderr under `Timeout (0:10:00)!`, and the process exits with code 1.
    No Python code runs for that, so it also works if a library hangs and holds the interpreter's lock.
    """
    watchdog = Watchdog(seconds)
    try:
        yield watchdog
    finally:
        watchdog.stop()
