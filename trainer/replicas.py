"""The devices that share a batch."""

from collections.abc import Sequence

import tensorflow as tf


def mirrored(devices: Sequence[str]) -> tf.distribute.Strategy:
    """One replica on each device of this machine, `GPU:0` or the like.

    GPUs sum their gradients with NCCL. CPU devices do so on one of them: TensorFlow's collectives between
    them meet by number, and two strategies of one process, as tests have, use the same numbers.
    """
    on_one = None if all("GPU" in device for device in devices) else tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy(devices, cross_device_ops=on_one)
