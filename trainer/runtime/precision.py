"""Precision: float32, mixed_bfloat16 or mixed_float16."""

from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


def choose_precision(
    setting: str, *, gpus: int, cpu_flags: frozenset[str], only_reading: bool = False
) -> tuple[str, str]:
    """Return a Keras dtype policy and the reason. `auto` takes half precision if the hardware multiplies in it.

    With `only_reading`, the run may have been trained on another kind of machine. A GPU's float16 is then replaced on
    a CPU, because few CPUs multiply in float16.
    """
    if only_reading and setting == "mixed_float16" and not gpus:
        setting = "auto"
    if setting != "auto":
        return setting, "as configured"
    if gpus:
        return "mixed_float16", "a GPU; the loss is scaled"
    bfloat16_flags = sorted(cpu_flags & {"amx_bf16", "avx512_bf16"})
    if bfloat16_flags:
        return "mixed_bfloat16", f"a CPU with {bfloat16_flags[-1]}"
    return "float32", "a CPU without bfloat16 instructions"


def cpu_flags() -> frozenset[str]:
    """Return the CPU's instruction sets as Linux names them; none on other systems."""
    if not CPUINFO.exists():
        return frozenset()
    lines = (line for line in CPUINFO.read_text().splitlines() if line.startswith("flags"))
    return frozenset(next(lines, "").split())
