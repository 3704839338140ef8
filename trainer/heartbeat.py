"""When a run last showed a sign of progress: a step, a batch, a sampled character, a save that is waited for."""

import time
from collections.abc import Callable


class Heartbeat:
    """To be called at each sign; hands it on to `alive`. `stall_seconds`: after which a run hangs, 0: never."""

    def __init__(self, alive: Callable[[], None], *, stall_seconds: float) -> None:
        self._alive, self._stall_seconds = alive, stall_seconds
        self._last = time.monotonic()

    def __call__(self) -> None:
        self._alive()
        self._last = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the last sign."""
        return time.monotonic() - self._last

    @property
    def regular(self) -> bool:
        """Whether the last sign is younger than half of what a run may take before it is ended as one that hangs."""
        return not self._stall_seconds or self.seconds < self._stall_seconds / 2
