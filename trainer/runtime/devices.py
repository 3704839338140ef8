"""This machine's devices: GPUs, precision, determinism."""

import logging

import keras
import tensorflow as tf

from trainer.runtime import precision

log = logging.getLogger(__name__)


def require_gpus(least: int) -> None:
    """Raise OSError if this machine has fewer GPUs. A retry may run on a node with a driver."""
    gpus = len(tf.config.list_physical_devices("GPU"))
    if gpus < least:
        raise OSError(
            f"min_gpus={least}: TensorFlow finds {gpus} GPU(s): no driver, too few in the pod's limits, or an image "
            "of the CPU flavour"
        )


def set_up(setting: str, *, seed: int, only_reading: bool = False) -> bool:
    """Set precision, seed and, on a CPU, determinism for this process. Return whether LSTMs run on cuDNN.

    `only_reading` is for a run that is used, not trained, perhaps on another kind of machine.
    """
    gpus = len(tf.config.list_physical_devices("GPU"))  # of this machine alone, without the other workers
    flags = precision.cpu_flags()
    policy, reason = precision.choose_precision(setting, gpus=gpus, cpu_flags=flags, only_reading=only_reading)
    log.info("%d GPU(s), precision %s: %s", gpus, policy, reason)
    keras.mixed_precision.set_global_policy(policy)
    keras.utils.set_random_seed(seed)
    if not gpus:
        # A resumed run must end with the same bits. On a GPU, cuDNN does not promise that.
        tf.config.experimental.enable_op_determinism()
    return bool(gpus)
