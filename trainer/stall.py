"""A run that hangs ends itself, for a retry, instead of holding its machine for days."""

import faulthandler
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STDERR = 2


@contextmanager
def watched(seconds: float) -> Iterator[Callable[[], None]]:
    """Within the block the function that it gives has to be called again within `seconds`; 0: need not.

    Else all threads' stacks go to stderr, under `Timeout (0:10:00)!`, and the process ends with exit code 1. No
    Python code is needed for that: it also works where a library hangs and holds the interpreter's lock.
    """
    if not seconds:
        yield lambda: None
        return

    def alive() -> None:
        faulthandler.dump_traceback_later(seconds, exit=True, file=STDERR)

    alive()
    try:
        yield alive
    finally:
        faulthandler.cancel_dump_traceback_later()
