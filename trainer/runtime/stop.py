"""SIGTERM and Ctrl-C: stop at once if there is nothing to save, else save first."""

import logging
import os
import signal
from collections.abc import Callable
from threading import Timer
from typing import NoReturn

from preprocessing.errors import Stopped

log = logging.getLogger(__name__)

CLEAN_UP_SECONDS = 20.0  # a pod has 30 from SIGTERM to its end


class StopFlag:
    """A flag that SIGTERM or Ctrl-C sets; calling the object returns it. The run then has `grace_seconds` to save.

    Before `save_first`, the signal raises Stopped in the main thread. After the grace, or after a second Ctrl-C, the
    process exits: with 143 if everything is saved, else with 1. A second SIGTERM changes nothing. A save that the exit
    cuts off leaves the last checkpoint as it is.
    """

    def __init__(self, grace_seconds: float) -> None:
        self._grace_seconds = grace_seconds
        self._saved: Callable[[], bool] | None = None
        self._is_set = False
        self.signal = ""  # the name of the first signal
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._receive)

    def __call__(self) -> bool:
        return self._is_set

    def save_first(self, saved: Callable[[], bool]) -> None:
        """Let the run save before it stops, from now on. `saved` returns whether everything is saved."""
        self._saved = saved

    def _receive(self, number: int, _: object) -> None:
        if self._is_set:
            if number == signal.SIGINT:
                self._leave()
            return
        self._is_set, self.signal = True, signal.Signals(number).name
        timer = Timer(self._grace_seconds, self._leave)
        timer.daemon = True
        timer.start()
        if self._saved is None:
            raise Stopped

    def _leave(self) -> NoReturn:
        if self._saved is None or self._saved():
            leave_at_once()
        log.error("stopped before all was saved (grace_seconds=%g): the last checkpoint stands", self._grace_seconds)
        logging.shutdown()
        os._exit(1)


def stop_at_once(grace_seconds: float = CLEAN_UP_SECONDS) -> None:
    """Let SIGTERM and Ctrl-C raise Stopped in the main thread, so that a command can clean up.

    After `grace_seconds` the process exits with 143 all the same. A store that does not answer holds up the clean-up
    and a library's threads, and some libraries catch the exception.
    """

    def leave() -> NoReturn:
        log.error("stopped before all was cleaned up: the same command clears up at its next start")
        leave_at_once()

    def stop(*_: object) -> NoReturn:
        timer = Timer(grace_seconds, leave)
        timer.daemon = True
        timer.start()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # a second signal must not interrupt the clean-up
        raise Stopped

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def leave_at_once() -> NoReturn:
    """Exit as stopped, without waiting for other threads."""
    log.info("stopped, as asked")
    logging.shutdown()
    os._exit(Stopped.exit_code)
