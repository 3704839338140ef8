import pytest

from trainer.runtime.devices import choose_precision


@pytest.mark.parametrize(
    ("setting", "gpus", "flags", "policy"),
    [
        ("auto", 1, {"avx512_bf16"}, "mixed_float16"),
        ("auto", 0, {"avx512_bf16", "avx2"}, "mixed_bfloat16"),
        ("auto", 0, {"amx_bf16"}, "mixed_bfloat16"),
        ("auto", 0, {"avx2"}, "float32"),
        ("float32", 8, {"amx_bf16"}, "float32"),
        ("mixed_bfloat16", 0, set(), "mixed_bfloat16"),
    ],
)
def test_half_precision_is_chosen_if_the_hardware_has_it(setting: str, gpus: int, flags: set[str], policy: str) -> None:
    found, reason = choose_precision(setting, gpus=gpus, cpu_flags=frozenset(flags))
    assert found == policy
    assert reason


@pytest.mark.parametrize(
    ("gpus", "flags", "policy"),
    [(1, set(), "mixed_float16"), (0, {"avx2"}, "float32"), (0, {"amx_bf16", "avx512_fp16"}, "mixed_bfloat16")],
)
def test_run_trained_in_float16_is_read_in_this_machine_s_precision(gpus: int, flags: set[str], policy: str) -> None:
    found, _ = choose_precision("mixed_float16", gpus=gpus, cpu_flags=frozenset(flags), inference=True)
    assert found == policy
    assert choose_precision("mixed_float16", gpus=gpus, cpu_flags=frozenset(flags))[0] == "mixed_float16"
