"""Which arithmetic to train in."""

from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


def choose(setting: str, *, gpus: int, cpu_flags: frozenset[str], only_reading: bool = False) -> tuple[str, str]:
    """A Keras dtype policy, and why. `auto` takes half precision where the hardware multiplies in it.

    A run that is `only_reading`, not trained, may have been configured for another machine: the float16 of a GPU,
    in which few CPUs multiply and the others are slow, is then for this one to replace.
    """
    if only_reading and setting == "mixed_float16" and not gpus:
        setting = "auto"
    if setting != "auto":
        return setting, "as configured"
    if gpus:
        return "mixed_float16", "a GPU; the loss is scaled"
    found = sorted(cpu_flags & {"amx_bf16", "avx512_bf16"})
    if found:
        return "mixed_bfloat16", f"a CPU with {found[-1]}"
    return "float32", "a CPU without bfloat16 instructions"


def cpu_flags() -> frozenset[str]:
    """The CPU's instruction sets as Linux names them; none elsewhere."""
    if not CPUINFO.exists():
        return frozenset()
    lines = (line for line in CPUINFO.read_text().splitlines() if line.startswith("flags"))
    return frozenset(next(lines, "").split())
