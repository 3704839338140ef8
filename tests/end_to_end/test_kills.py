"""Kill tests: a run killed at random instants ends bit-identical to an undisturbed run.

`python -m tests.support.kills` runs any number of kills."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.kills import survive, undisturbed


@pytest.mark.parametrize(("carry_windows", "optimizer"), [(1, "adam"), (8, "muon")])
def test_a_run_killed_at_random_instants_ends_with_the_same_bits(
    dataset: Path, tmp_path: Path, rounds: Callable[[int, int], int], carry_windows: int, optimizer: str
) -> None:
    changes = {"carry_windows": carry_windows, "optimizer": optimizer}
    expected = undisturbed(dataset, tmp_path, **changes)
    for seed in range(1, rounds(1, 2) + 1):
        done = survive(dataset, tmp_path, f"run-{seed}", kills=rounds(2, 8), expected=expected, seed=seed, **changes)
        print(f"seed {seed}: {done}")
