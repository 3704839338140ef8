import pytest

from trainer.precision import choose


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
def test_half_precision_is_taken_where_the_hardware_has_it(
    setting: str, gpus: int, flags: set[str], policy: str
) -> None:
    found, reason = choose(setting, gpus=gpus, cpu_flags=frozenset(flags))
    assert found == policy
    assert reason
