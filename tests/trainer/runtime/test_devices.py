from typing import Any, Literal

import pytest
import tensorflow as tf

from preprocessing.errors import InputError
from trainer.runtime.devices import choose_precision, is_deterministic, is_supported, require_supported_gpus
from trainer.runtime.strategy import choose_collectives

AMD, INTEL = "AuthenticAMD", "GenuineIntel"


@pytest.mark.parametrize(
    ("setting", "gpus", "vendor", "flags", "policy"),
    [
        ("auto", 1, AMD, {"avx512_bf16"}, "mixed_float16"),
        ("auto", 0, AMD, {"avx512_bf16", "avx2"}, "mixed_bfloat16"),
        ("auto", 0, INTEL, {"avx512_bf16", "avx2"}, "float32"),
        ("auto", 0, INTEL, {"amx_bf16", "avx512_bf16"}, "mixed_bfloat16"),
        ("auto", 0, AMD, {"avx2"}, "float32"),
        ("auto", 0, "", set(), "float32"),
        ("float32", 8, INTEL, {"amx_bf16"}, "float32"),
        ("mixed_bfloat16", 0, INTEL, set(), "mixed_bfloat16"),
    ],
)
def test_half_precision_is_chosen_if_the_hardware_is_faster_in_it(
    setting: str, gpus: int, vendor: str, flags: set[str], policy: str
) -> None:
    found, reason = choose_precision(setting, gpus=gpus, cpu_flags=frozenset(flags), cpu_vendor=vendor)
    assert found == policy
    assert reason


@pytest.mark.parametrize(
    ("gpus", "flags", "policy"),
    [(1, set(), "mixed_float16"), (0, {"avx2"}, "float32"), (0, {"amx_bf16", "avx512_fp16"}, "mixed_bfloat16")],
)
def test_run_trained_in_float16_is_read_in_this_machine_s_precision(gpus: int, flags: set[str], policy: str) -> None:
    machine: Any = {"gpus": gpus, "cpu_flags": frozenset(flags), "cpu_vendor": INTEL}
    assert choose_precision("mixed_float16", **machine, inference=True)[0] == policy
    assert choose_precision("mixed_float16", **machine)[0] == "mixed_float16"


BUILT = ["sm_60", "sm_70", "sm_80", "sm_89", "compute_90"]


@pytest.mark.parametrize(
    ("capability", "supported"),
    [
        *(((7, 5), True), ((8, 0), True), ((8, 6), True), ((9, 0), True), ((6, 1), True)),
        *(((10, 0), False), ((12, 0), False), ((5, 2), False), ((3, 7), False)),
    ],
)
def test_gpu_is_supported_if_the_build_has_kernels_of_its_major_version(
    capability: tuple[int, int], supported: bool
) -> None:
    assert is_supported(capability, BUILT) is supported
    assert is_supported(capability, [])


def test_gpu_that_is_too_new_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")
    details = {"compute_capability": (10, 0), "device_name": "NVIDIA B200"}
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda _: [gpu])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda _: details)
    monkeypatch.setattr(tf.sysconfig, "get_build_info", lambda: {"cuda_compute_capabilities": BUILT})
    with pytest.raises(InputError, match="NVIDIA B200: a GPU of compute capability 10.0, .* sm_89, compute_90 only"):
        require_supported_gpus()
    details["compute_capability"] = (9, 0)
    require_supported_gpus()


@pytest.mark.parametrize(
    ("setting", "gpus", "deterministic"),
    [("auto", 0, True), ("auto", 1, False), (True, 1, True), (False, 0, False)],
)
def test_bits_repeat_on_cpus_and_where_asked(setting: bool | Literal["auto"], gpus: int, deterministic: bool) -> None:
    assert is_deterministic(setting, gpus=gpus) is deterministic


@pytest.mark.parametrize(
    ("setting", "gpus", "name"),
    [("auto", 0, "AUTO"), ("auto", 1, "NCCL"), ("ring", 1, "RING"), ("nccl", 0, "NCCL")],
)
def test_workers_with_gpus_sum_by_nccl_unless_the_environment_says_ring(setting: str, gpus: int, name: str) -> None:
    assert choose_collectives(setting, gpus=gpus).name == name
