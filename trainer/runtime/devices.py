"""This machine's devices: GPUs, precision, determinism."""

import logging

import keras
import tensorflow as tf

from trainer.runtime.machine import CPUINFO, read_cpu_fact

log = logging.getLogger(__name__)


def require_gpus(least: int) -> None:
    """Raise OSError if this machine has fewer GPUs. A retry may run on a node with a driver."""
    gpus = len(tf.config.list_physical_devices("GPU"))
    if gpus < least:
        raise OSError(
            f"min_gpus={least}: TensorFlow finds {gpus} GPU(s): no driver, too few in the pod's limits, or an image "
            "of the CPU flavour"
        )


def configure_devices(setting: str, *, seed: int, inference: bool = False) -> bool:
    """Set precision, seed and, on a CPU, determinism for this process. Return whether LSTMs run on cuDNN.

    `inference` is for a run that is used, not trained, perhaps on another kind of machine.
    """
    gpus = len(tf.config.list_physical_devices("GPU"))  # of this machine alone, without the other workers
    flags = frozenset(read_cpu_fact(CPUINFO, "flags").split())
    policy, reason = choose_precision(setting, gpus=gpus, cpu_flags=flags, inference=inference)
    log.info("%d GPU(s), precision %s: %s", gpus, policy, reason)
    keras.mixed_precision.set_global_policy(policy)
    keras.utils.set_random_seed(seed)
    if not gpus:
        # A resumed run must end with the same bits. On a GPU, cuDNN does not promise that.
        tf.config.experimental.enable_op_determinism()
    return bool(gpus)


def choose_precision(setting: str, *, gpus: int, cpu_flags: frozenset[str], inference: bool = False) -> tuple[str, str]:
    """Return a Keras dtype policy and the reason. `auto` takes half precision if the hardware multiplies in it.

    With `inference`, the run may have been trained on another kind of machine. A GPU's float16 is then replaced on
    a CPU, because few CPUs multiply in float16.
    """
    if inference and setting == "mixed_float16" and not gpus:
        setting = "auto"
    if setting != "auto":
        return setting, "as configured"
    if gpus:
        return "mixed_float16", "a GPU; the loss is scaled"
    bfloat16_flags = sorted(cpu_flags & {"amx_bf16", "avx512_bf16"})
    if bfloat16_flags:
        return "mixed_bfloat16", f"a CPU with {bfloat16_flags[-1]}"
    return "float32", "a CPU without bfloat16 instructions"
