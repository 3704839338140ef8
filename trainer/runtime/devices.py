"""This machine's devices: how many GPUs, in which precision, and whether LSTMs run on cuDNN."""

import logging

import keras
import tensorflow as tf

from trainer.runtime import precision

log = logging.getLogger(__name__)


def require_gpus(least: int) -> None:
    """OSError where this machine has fewer: a driver that is missing on one node may be there on another."""
    found = len(tf.config.list_physical_devices("GPU"))
    if found < least:
        raise OSError(
            f"min_gpus={least}: TensorFlow finds {found} GPU(s): no driver, too few in the pod's limits, or an image "
            "of the CPU flavour"
        )


def set_up(setting: str, *, seed: int, only_reading: bool = False) -> bool:
    """Sets precision, seed and, on a CPU, determinism for the process; whether LSTMs run on cuDNN.

    `only_reading`: a run that is not trained, on another machine perhaps than it was.
    """
    gpus = len(tf.config.list_physical_devices("GPU"))  # of this machine, not of the other workers'
    flags = precision.cpu_flags()
    policy, reason = precision.choose(setting, gpus=gpus, cpu_flags=flags, only_reading=only_reading)
    log.info("%d GPU(s), precision %s: %s", gpus, policy, reason)
    keras.mixed_precision.set_global_policy(policy)
    keras.utils.set_random_seed(seed)
    if not gpus:
        # A run killed and continued must end with the same bits. On a GPU, cuDNN makes no such promise.
        tf.config.experimental.enable_op_determinism()
    return bool(gpus)
