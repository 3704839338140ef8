"""The bit-identity tests of sampling and scoring, run in a new process on a simulated CPU without AVX-512.

oneDNN chooses its kernels when TensorFlow starts. ONEDNN_MAX_CPU_ISA=AVX2 makes any x86 CPU use a laptop's kernels.
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
        ("0", "float32 or bfloat16"),  # a CPU without bfloat16 uses TensorFlow's own bfloat16 operations
    ],
)
def test_cpu_without_avx_512_keeps_the_same_bits_too(tensorflow_with_onednn: str, policies: str) -> None:
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
