"""The devices that share a batch, on one machine or on many."""

import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import tensorflow as tf

from trainer.model.state import Arrays


def mirrored(devices: Sequence[str]) -> tf.distribute.Strategy:
    """One replica on each device of this machine, `GPU:0` or the like.

    GPUs sum their gradients with NCCL. CPU devices do so on one of them: TensorFlow's collectives between
    them meet by number, and two strategies of one process, as tests have, use the same numbers.
    """
    on_one = None if all("GPU" in device for device in devices) else tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy(devices, cross_device_ops=on_one)


def over_workers() -> tf.distribute.Strategy:
    """One replica on each GPU, or else the CPU, of each worker that TF_CONFIG names; waits for all of them.

    Has to come before TensorFlow's first use in the process, which opens its devices.
    """
    tf.get_logger().setLevel("WARNING")  # or it has a line for each sum that it compiles
    asked = signal.getsignal(signal.SIGTERM)
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    signal.signal(signal.SIGTERM, asked)  # which TensorFlow's server has taken for itself
    return strategy


def of_the_chief(strategy: tf.distribute.Strategy, arrays: Arrays) -> Arrays:
    """The arrays of the first replica's worker, bit for bit, for all; each brings some of the same names and shapes."""
    names = sorted(arrays)

    @tf.function
    def shared(own: list[tf.Tensor]) -> list[tf.Tensor]:
        def replica(own: list[tf.Tensor]) -> list[tf.Tensor]:
            context = tf.distribute.get_replica_context()
            first = context.replica_id_in_sync_group == 0
            # x + -0.0 is x, also for -0.0; but a denormal, which TensorFlow itself never leaves, becomes 0.
            nothing = [tf.fill(x.shape, tf.cast(-0.0 if x.dtype.is_floating else 0, x.dtype)) for x in own]
            parts = [tf.where(first, x, y) for x, y in zip(own, nothing, strict=True)]
            # One by one, as TensorFlow packs those of one call together, which must then be of one dtype.
            return [context.all_reduce(tf.distribute.ReduceOp.SUM, part) for part in parts]

        return strategy.run(replica, args=(own,))

    summed = shared([tf.constant(arrays[name]) for name in names])
    local = [strategy.experimental_local_results(one)[0].numpy() for one in summed]
    return {name: np.asarray(array) for name, array in zip(names, local, strict=True)}


@contextmanager
def no_worker_lost() -> Iterator[None]:
    """Turns what TensorFlow raises when a worker is gone into a ConnectionError of one line.

    A process that is killed is missed at once, a machine that falls silent after some ten seconds, when
    TensorFlow's coordination service has heard no heartbeat; a worker that is merely busy is waited for.
    None can come back to those that remain: all have to start again.
    """
    gone = (tf.errors.UnavailableError, tf.errors.DeadlineExceededError, tf.errors.AbortedError)
    try:
        yield
    except (*gone, tf.errors.CancelledError) as error:
        reason = re.split(r"aborted by: ", error.message)[-1].strip().splitlines()[0]
        raise ConnectionError(f"a worker was lost, start all again: {type(error).__name__}: {reason[:200]}") from None
