"""This machine's devices: GPUs, precision, determinism."""

import logging
import os
import re
from collections.abc import Iterable, Iterator
from typing import Literal

import keras
import tensorflow as tf
from tensorflow.python.framework import config

from preprocessing.errors import InputError
from trainer.runtime.machine import CPUINFO, read_cpu_fact

log = logging.getLogger(__name__)

SUPPORTED = "L4, T4, A100, H100 or H200"


def require_gpus(least: int) -> None:
    """Raise OSError if this machine has fewer GPUs. A retry may run on a node with a driver."""
    gpus = len(tf.config.get_visible_devices("GPU"))
    if gpus < least:
        raise OSError(
            f"min_gpus={least}: TensorFlow finds {gpus} GPU(s): no driver, too few in the pod's limits, or an image "
            "of the CPU flavour"
        )


def require_supported_gpus() -> None:
    """Raise InputError for a GPU whose compute capability this build of TensorFlow has no kernels for.

    TensorFlow itself would abort the process at its first operation. Opens no device.
    """
    built = [str(target) for target in tf.sysconfig.get_build_info().get("cuda_compute_capabilities", ())]
    for device in tf.config.get_visible_devices("GPU"):
        details = tf.config.experimental.get_device_details(device)
        capability = details.get("compute_capability")
        if capability and not is_supported(capability, built):
            raise InputError(
                f"{details.get('device_name', device.name)}: a GPU of compute capability {_dotted(capability)}, and "
                f"this TensorFlow has kernels for {', '.join(built)} only: use {SUPPORTED}"
            )


def is_supported(capability: tuple[int, int], built: Iterable[str]) -> bool:
    """Return whether a build for the targets `built`, such as sm_80 and compute_90, runs on the capability.

    Kernels of a capability run on all later capabilities of the same major version. A build of compute_90 also has
    code that a driver compiles for later versions, but TensorFlow 2.21 aborts or fails on such a GPU. A build that
    names no target, as those for CPUs, is not judged.
    """
    targets = list(_capabilities(built))
    return not targets or any(major == capability[0] and minor <= capability[1] for major, minor in targets)


def _capabilities(targets: Iterable[str]) -> Iterator[tuple[int, int]]:
    for target in targets:
        if match := re.fullmatch(r"(?:sm|compute)_(\d+)(\d)", target):
            yield int(match[1]), int(match[2])


def _dotted(capability: tuple[int, int]) -> str:
    return ".".join(map(str, capability))


def hide_gpus() -> None:
    """Hide the GPUs from TensorFlow, so that this process computes on CPUs. Call before the first operation."""
    tf.config.set_visible_devices([], "GPU")


def configure_devices(
    setting: str, *, seed: int, inference: bool = False, deterministic: bool | Literal["auto"] = "auto"
) -> Literal["cpu", "cudnn"]:
    """Set precision, seed and determinism for this process. Return the kind of LSTM layers, as for build_model.

    `inference` is for a run that is used, not trained, perhaps on another kind of machine. `deterministic` auto is
    true on CPUs only. Raises InputError for a GPU that TensorFlow has no kernels for.
    """
    require_supported_gpus()
    gpus = len(tf.config.get_visible_devices("GPU"))  # of this machine alone, without the other workers
    flags, vendor = frozenset(read_cpu_fact(CPUINFO, "flags").split()), read_cpu_fact(CPUINFO, "vendor_id")
    policy, reason = choose_precision(setting, gpus=gpus, cpu_flags=flags, cpu_vendor=vendor, inference=inference)
    log.info("%d GPU(s), precision %s: %s", gpus, policy, reason)
    keras.mixed_precision.set_global_policy(policy)
    keras.utils.set_random_seed(seed)
    if is_deterministic(deterministic, gpus=gpus):
        # cuBLAS needs a workspace of a fixed size to repeat the bits of a recurrent network.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        tf.config.experimental.enable_op_determinism()
    return "cudnn" if gpus else "cpu"


def is_deterministic(setting: bool | Literal["auto"], *, gpus: int) -> bool:
    """Return whether the same steps must give the same bits. `auto` says so on CPUs, where it costs little."""
    return not gpus if setting == "auto" else setting


def describe_determinism() -> str:
    """Return yes if the same steps give the same bits in this process, else no."""
    return "yes" if config.is_op_determinism_enabled() else "no"


def describe_arithmetic(replicas: int) -> dict[str, str]:
    """Return, for people to read, what this process has set that changes bits."""
    return {
        "deterministic": describe_determinism(),
        "precision": keras.mixed_precision.dtype_policy().name,
        "replicas": str(replicas),
    }


def choose_precision(
    setting: str, *, gpus: int, cpu_flags: frozenset[str], cpu_vendor: str, inference: bool = False
) -> tuple[str, str]:
    """Return a Keras dtype policy and the reason. `auto` takes half precision if the hardware multiplies faster in it.

    AMX is made for bfloat16. With AVX-512 alone bfloat16 is faster than float32 on AMD's CPUs and slower on Intel's
    (docs/results.md).
    With `inference`, the run may have been trained on another kind of machine. A GPU's float16 is then replaced on
    a CPU, because few CPUs multiply in float16.
    """
    if inference and setting == "mixed_float16" and not gpus:
        setting = "auto"
    if setting != "auto":
        return setting, "as configured"
    if gpus:
        return "mixed_float16", "a GPU; the loss is scaled"
    if "amx_bf16" in cpu_flags:
        return "mixed_bfloat16", "a CPU with amx_bf16"
    if "avx512_bf16" in cpu_flags:
        if cpu_vendor == "AuthenticAMD":
            return "mixed_bfloat16", "a CPU of AMD with avx512_bf16"
        return "float32", "a CPU whose avx512_bf16 is no faster"
    return "float32", "a CPU without bfloat16 instructions"
