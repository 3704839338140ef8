"""The devices that share a batch, on one machine or on many."""

import hashlib
import logging
import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from preprocessing.errors import InputError
from trainer.runtime.workers import ALONE, Workers, wait_for_all

log = logging.getLogger(__name__)


def create_strategy(
    workers: Workers = ALONE, should_stop: Callable[[], bool] = lambda: False
) -> tf.distribute.Strategy:
    """One replica for each GPU of all workers; of a process alone without any, for each logical CPU device.

    Waits for the other workers; raises what `wait_for_all` raises.
    """
    if workers.count > 1:
        log.info("worker %d of %s", workers.index, ", ".join(workers.hosts))
        wait_for_all(workers, should_stop)
        os.environ["TF_CONFIG"] = workers.tf_config()
        return over_workers()
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return mirrored([device.name for device in devices])


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


def broadcast_from_chief(
    strategy: tf.distribute.Strategy, arrays: Mapping[str, npt.NDArray[Any]]
) -> dict[str, npt.NDArray[Any]]:
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


def require_same_run(strategy: tf.distribute.Strategy, workers: Workers, identity: str) -> None:
    """InputError in a worker that would train another run than the chief: of another identity or precision.

    Such workers would fail in each other's sums, or go on with weights that are no longer the same.
    """
    if workers.count == 1:
        return
    policy = keras.mixed_precision.dtype_policy().name
    own = np.frombuffer(hashlib.sha256(f"{identity} {policy}".encode()).digest(), np.uint8).astype(np.int64)
    if (broadcast_from_chief(strategy, {"identity": own})["identity"] != own).any():
        raise InputError(
            f"worker {workers.index}: its configuration, dataset or precision ({policy}) is not that of worker 0, "
            "and they train one run together"
        )


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
