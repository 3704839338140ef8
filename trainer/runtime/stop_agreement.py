"""Agreement of all workers to stop at the same step.

A worker that stops alone leaves the others waiting. So each worker adds a flag, 1 if it must stop, to a sum that the
step computes anyway, and every worker looks at the sum alone. In training, workers look at the sum of the step before
the last: to look at the last step's would wait for the device, and leave the device idle.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import tensorflow as tf

from preprocessing.errors import Stopped


class StopAgreement:
    """The workers' common decision: calling the object returns whether any worker must stop."""

    def __init__(
        self, strategy: tf.distribute.Strategy, should_stop: Callable[[], bool] = lambda: False, *, workers: int = 1
    ) -> None:
        self._strategy, self._should_stop, self._alone = strategy, should_stop, workers == 1
        self._known = self._newest = tf.constant(0.0)
        self._meet = tf.function(self._sum)

    def __call__(self) -> bool:
        return self._should_stop() if self._alone else float(self._known) > 0

    def flag(self) -> tf.Tensor:
        """Return this worker's flag, int32, which each of its replicas adds to the step's sums."""
        return tf.constant(int(self._should_stop()))

    def record(self, flags: tf.Tensor, *, waited: bool) -> None:
        """Record the sum of a step's flags. With `waited`, the caller waits for the step's results anyway."""
        self._known, self._newest = (flags if waited else self._newest), flags

    def barrier(self) -> bool:
        """Wait until every worker calls this method. Return whether any worker must stop."""
        if not self._alone:
            self.record(self._meet(self.flag()), waited=True)
        return self()

    @contextmanager
    def barrier_at_end(self) -> Iterator[None]:
        """Keep every worker in the block until all workers have reached its end, or were stopped in it."""
        try:
            yield
        except Stopped:
            self.barrier()
            raise
        self.barrier()

    def _sum(self, flag: tf.Tensor) -> tf.Tensor:
        flags = self._strategy.run(tf.identity, args=(tf.cast(flag, tf.float32),))
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, flags, axis=None)
