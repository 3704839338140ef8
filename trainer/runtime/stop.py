"""What SIGTERM and Ctrl-C do to a run: stop at once while there is nothing to save, else save first."""

import logging
import os
import signal
from collections.abc import Callable
from threading import Timer
from typing import NoReturn

from preprocessing.errors import Stopped

log = logging.getLogger(__name__)


class Stop:
    """A question to put often: is the run to stop? The first signal asks it to, and gives it `grace_seconds`.

    Until `save_first` the signal raises Stopped, wherever the main thread is. After the grace the process ends,
    with exit code 143 if all stands that had to be saved, else 1. So it does after a second Ctrl-C; a second
    SIGTERM changes nothing. Whatever is cut off so leaves the last checkpoint as it is.
    """

    def __init__(self, grace_seconds: float) -> None:
        self._grace_seconds = grace_seconds
        self._saved: Callable[[], bool] | None = None
        self._asked = False
        self.signal = ""  # the one that asked first, by its name
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def __call__(self) -> bool:
        return self._asked

    def save_first(self, saved: Callable[[], bool]) -> None:
        """From now on the run saves before it stops; `saved` tells whether there is nothing left to save."""
        self._saved = saved

    def _ask(self, number: int, _: object) -> None:
        if self._asked:
            if number == signal.SIGINT:
                self._leave()
            return
        self._asked, self.signal = True, signal.Signals(number).name
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


def stop_at_once() -> None:
    """Lets SIGTERM and Ctrl-C raise Stopped wherever the command is, for it to clean up."""

    def stop(*_: object) -> NoReturn:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # a second one must not end the cleaning up
        raise Stopped

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def leave_at_once() -> NoReturn:
    """Ends the process as stopped, with whatever other threads it has."""
    log.info("stopped, as asked")
    logging.shutdown()
    os._exit(Stopped.exit_code)
