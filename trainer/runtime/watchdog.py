"""A run that hangs ends itself, for a retry, instead of holding its machine for days."""

import faulthandler
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

STDERR = 2
EARLY = 0.9  # of the time; what is left has to do for a write


class Watch:
    """To be called at each sign of progress."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._over = Event()
        self()

    def __call__(self) -> None:
        self._alive = time.monotonic()
        if self._seconds:
            faulthandler.dump_traceback_later(self._seconds, exit=True, file=STDERR)

    @property
    def quiet_seconds(self) -> float:
        """Since the last sign."""
        return time.monotonic() - self._alive

    @property
    def regular(self) -> bool:
        """Whether less than half of the time has gone by without a sign."""
        return not self._seconds or self.quiet_seconds < self._seconds / 2

    def tell(self, stalled: Callable[[], None]) -> None:
        """Calls it, in a thread of its own, once nearly all of the time has gone by without a sign.

        Where a library holds the interpreter's lock it is not called, and the process ends all the same.
        """
        if self._seconds:
            Thread(target=self._tell, args=(stalled,), name="stall", daemon=True).start()

    def _tell(self, stalled: Callable[[], None]) -> None:
        while not self._over.wait(self._seconds / 50):
            if self.quiet_seconds > EARLY * self._seconds:
                stalled()
                return

    def end(self) -> None:
        self._over.set()
        faulthandler.cancel_dump_traceback_later()


@contextmanager
def watched(seconds: float) -> Iterator[Watch]:
    """Within the block what it gives has to be called again within `seconds`; 0: need not.

    Else all threads' stacks go to stderr, under `Timeout (0:10:00)!`, and the process ends with exit code 1. No
    Python code is needed for that: it also works where a library hangs and holds the interpreter's lock.
    """
    watch = Watch(seconds)
    try:
        yield watch
    finally:
        watch.end()
