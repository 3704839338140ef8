"""Kill tests: a run killed at random instants ends bit-identical to an undisturbed run.

`python -m tests.support.kills` runs any number of kills."""

from collections.abc import Callable
from pathlib import Path

from tests.support.kills import survive, undisturbed


def test_a_run_killed_at_random_instants_ends_with_the_same_bits(
    dataset: Path, tmp_path: Path, rounds: Callable[[int, int], int]
) -> None:
    expected = undisturbed(dataset, tmp_path)
    for seed in range(1, rounds(1, 2) + 1):
        done = survive(dataset, tmp_path, f"run-{seed}", kills=rounds(2, 8), expected=expected, seed=seed)
        print(f"seed {seed}: {done}")
