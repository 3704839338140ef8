"""When a worker says how far it is: a line now and then, with the time that is left."""

import time

LINE_SECONDS = 10.0


class Progress:
    """Whether it is time for another line in the log, and what stands there of time."""

    def __init__(self) -> None:
        self._began = self._shown = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def left(self, done: float) -> float:
        """How many seconds more, if so great a part is done by now."""
        return self.seconds * (1 - done) / done if done else float("nan")

    def is_due(self) -> bool:
        now = time.monotonic()
        if now < self._shown + LINE_SECONDS:
            return False
        self._shown = now
        return True
