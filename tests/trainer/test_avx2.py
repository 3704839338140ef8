"""A text's bits alone and among others, on a CPU without AVX-512: the tests of it once more, in a new process.

oneDNN chooses its kernels when TensorFlow starts. ONEDNN_MAX_CPU_ISA=AVX2 makes any x86 CPU take those of a laptop.
"""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("tensorflow_with_onednn", "policies"),
    [
        ("1", "float32"),
        ("0", "float32 or bfloat16"),  # a CPU without bfloat16 takes TensorFlow's own operations for it
    ],
)
def test_a_cpu_without_avx_512_keeps_the_same_bits_too(tensorflow_with_onednn: str, policies: str) -> None:
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip(f"needs an x86-64 CPU, to use no more of it than AVX2; this is {platform.machine()}")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    found = subprocess.run(
        [*command, "-k", f"same_bits_alone and ({policies})", "tests/trainer/sampling", "tests/trainer/scoring"],
        env=os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2", "TF_ENABLE_ONEDNN_OPTS": tensorflow_with_onednn},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
