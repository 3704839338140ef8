"""The tf.distribute strategy: the devices that share a batch, on one machine or on many."""

import hashlib
import logging
import math
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
from trainer.runtime.machine import count_cores
from trainer.runtime.workers import ALONE, Workers, wait_for_all

log = logging.getLogger(__name__)


def create_strategy(
    workers: Workers = ALONE,
    should_stop: Callable[[], bool] = lambda: False,
    *,
    cpu_replicas: int = 1,
    batch_windows: int = 0,
) -> tf.distribute.Strategy:
    """Create a strategy with one replica for each GPU, or without GPUs with up to `cpu_replicas` on the CPU.

    There are fewer on the CPU if `batch_windows` is not divisible by them. Several workers have one each, and wait for
    each other first. Raises the exceptions of `wait_for_all`.
    """
    tf.get_logger().setLevel("WARNING")  # else TensorFlow logs a line for each sum that it compiles
    if workers.count > 1:
        log.info("worker %d of %s", workers.index, ", ".join(workers.hosts))
        wait_for_all(workers, should_stop)
        os.environ["TF_CONFIG"] = workers.tf_config()
        return mirror_workers(workers.collectives)
    if tf.config.get_visible_devices("GPU"):
        return mirror_devices([device.name for device in tf.config.list_logical_devices("GPU")])
    return mirror_devices(split_cpu(math.gcd(cpu_replicas, batch_windows)))


def split_cpu(replicas: int) -> list[str]:
    """Split the CPU's cores evenly among logical devices. Return the devices' names.

    A small product on one core takes hardly longer than on two. So two replicas, each on one core, train a small model
    up to twice as fast as one replica on two (docs/results.md). The first operation in a process fixes its devices: a
    process that has used TensorFlow keeps the devices that it has.
    """
    [cpu] = tf.config.list_physical_devices("CPU")
    try:
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * replicas)
        tf.config.threading.set_intra_op_parallelism_threads(max(1, count_cores() // replicas))
    except RuntimeError:
        log.debug("TensorFlow has opened its devices already")
    return [device.name for device in tf.config.list_logical_devices("CPU")[:replicas]]


def mirror_devices(devices: Sequence[str]) -> tf.distribute.Strategy:
    """Create a strategy with one replica on each device of this machine, for example `GPU:0`.

    GPUs sum their gradients with NCCL, CPU devices on one of them. TensorFlow numbers the collectives of CPU devices,
    and two strategies in one process, as in tests, would use the same numbers.
    """
    on_one = None if all("GPU" in device for device in devices) else tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy(devices, cross_device_ops=on_one)


def mirror_workers(collectives: str = "auto") -> tf.distribute.Strategy:
    """Create a strategy with one replica on each GPU, or else the CPU, of each worker that TF_CONFIG names.

    `collectives` is as in Workers. TensorFlow's own choice would send the sums between GPUs through the CPUs.
    Call this function before TensorFlow's first operation in the process, which opens the devices. Waits for all
    workers.
    """
    handler = signal.getsignal(signal.SIGTERM)
    strategy = tf.distribute.MultiWorkerMirroredStrategy(
        communication_options=tf.distribute.experimental.CommunicationOptions(
            implementation=choose_collectives(collectives, gpus=len(tf.config.get_visible_devices("GPU")))
        )
    )
    signal.signal(signal.SIGTERM, handler)  # TensorFlow's server has replaced it
    return strategy


def choose_collectives(setting: str, *, gpus: int) -> tf.distribute.experimental.CommunicationImplementation:
    """Return TensorFlow's name for the setting of Workers. `auto` is NCCL for GPUs, else TensorFlow's own choice."""
    implementations = tf.distribute.experimental.CommunicationImplementation
    if setting == "auto":
        return implementations.NCCL if gpus else implementations.AUTO
    return {"ring": implementations.RING, "nccl": implementations.NCCL}[setting]


def broadcast_from_chief(
    strategy: tf.distribute.Strategy, arrays: Mapping[str, npt.NDArray[Any]]
) -> dict[str, npt.NDArray[Any]]:
    """Return worker 0's arrays on every worker, bit-exact. All workers pass the same names and shapes."""
    names = sorted(arrays)

    @tf.function
    def broadcast(tensors: list[tf.Tensor]) -> list[tf.Tensor]:
        return strategy.run(_sum_with_zeros, args=(tensors,))

    per_replica = broadcast([tf.constant(arrays[name]) for name in names])
    local = [strategy.experimental_local_results(values)[0].numpy() for values in per_replica]
    return {name: np.asarray(array) for name, array in zip(names, local, strict=True)}


def _sum_with_zeros(tensors: list[tf.Tensor]) -> list[tf.Tensor]:
    """Sum the tensors of the first replica with zeros of all other replicas."""
    context = tf.distribute.get_replica_context()
    is_first = context.replica_id_in_sync_group == 0
    # x + -0.0 is x, also for x = -0.0. A denormal becomes 0, but TensorFlow never produces one.
    zeros = [tf.fill(x.shape, tf.cast(-0.0 if x.dtype.is_floating else 0, x.dtype)) for x in tensors]
    parts = [tf.where(is_first, x, zero) for x, zero in zip(tensors, zeros, strict=True)]
    # One call for each tensor: TensorFlow packs the tensors of one call, which must then share a dtype.
    return [context.all_reduce(tf.distribute.ReduceOp.SUM, part) for part in parts]


def require_same_run(strategy: tf.distribute.Strategy, workers: Workers, identity: str) -> None:
    """Raise InputError in a worker whose run has another identity or precision than the chief's.

    Such workers would fail in each other's sums, or continue with different weights.
    """
    if workers.count == 1:
        return
    policy = keras.mixed_precision.dtype_policy().name
    digest = hashlib.sha256(f"{identity} {policy}".encode()).digest()
    values = np.frombuffer(digest, np.uint8).astype(np.int64)
    if (broadcast_from_chief(strategy, {"identity": values})["identity"] != values).any():
        raise InputError(
            f"worker {workers.index}: its configuration, dataset or precision ({policy}) is not that of worker 0, "
            "and they train one run together"
        )


@contextmanager
def no_worker_lost() -> Iterator[None]:
    """Convert TensorFlow's errors of a lost worker to a ConnectionError with one line.

    A killed process is noticed at once. A silent machine is noticed after some ten seconds without a heartbeat to
    TensorFlow's coordination service. A busy worker is not lost. A lost worker cannot rejoin: all workers restart.
    """
    lost = (tf.errors.UnavailableError, tf.errors.DeadlineExceededError, tf.errors.AbortedError)
    try:
        yield
    except (*lost, tf.errors.CancelledError) as error:
        reason = re.split(r"aborted by: ", error.message)[-1].strip().splitlines()[0]
        raise ConnectionError(f"a worker was lost, start all again: {type(error).__name__}: {reason[:200]}") from None
