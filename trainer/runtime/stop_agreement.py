"""How workers stop together: all at the same step, once any of them was asked to.

A worker that leaves alone leaves the others waiting for it. So each adds its flag, 1 if it was asked to stop,
to a sum that the step makes anyway, and all look at the sum alone. In training at the one of the step before
the last: to look at the last would wait for the device, which has none to work on meanwhile.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import tensorflow as tf

from preprocessing.errors import Stopped


class Agreement:
    """Asks `should_stop` of this worker; called, it says whether any worker was asked to stop."""

    def __init__(
        self, strategy: tf.distribute.Strategy, should_stop: Callable[[], bool] = lambda: False, *, workers: int = 1
    ) -> None:
        self._strategy, self._should_stop, self._alone = strategy, should_stop, workers == 1
        self._known = self._newest = tf.constant(0.0)
        self._meet = tf.function(self._sum)

    def __call__(self) -> bool:
        return self._should_stop() if self._alone else float(self._known) > 0

    def flag(self) -> tf.Tensor:
        """This worker's flag, for each of its replicas to add to the step's sums."""
        return tf.constant(float(self._should_stop()))

    def told(self, flags: tf.Tensor, *, waited: bool) -> None:
        """The sum of a step's flags; `waited`: the step's results are waited for anyway."""
        self._known, self._newest = (flags if waited else self._newest), flags

    def meet(self) -> bool:
        """Waits until every worker is here, and says whether any was asked to stop."""
        if not self._alone:
            self.told(self._meet(self.flag()), waited=True)
        return self()

    @contextmanager
    def leaving_together(self) -> Iterator[None]:
        """No worker leaves the block before all have come to its end, or were stopped in it."""
        try:
            yield
        except Stopped:
            self.meet()
            raise
        self.meet()

    def _sum(self, flag: tf.Tensor) -> tf.Tensor:
        flags = self._strategy.run(tf.identity, args=(flag,))
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, flags, axis=None)
