"""Sampling speed, in characters per second, of the demo's model and the seed script's: this project and two peers.

    python -m benchmarks.sample [--rounds 3] [--texts 1 8 64]

The first peer steps Keras' LSTM cells in a `tf.function`, with all texts as one batch. The second peer is the seed
script, which calls `predict` on the whole window for each character. The contenders take turns in each round. Medians
and ratios are printed. This project always computes eight texts in a matrix product, each text in a fixed row. So a
text does not depend on the number of texts.
"""

import argparse
import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from benchmarks.contender import Contender
from benchmarks.lstm_shapes import UNITS

MODELS = {"demo": (384,), "seed": UNITS}
PROJECT, CELLS, SEED = "this project", "Keras cells", "seed script"
MODULES = {PROJECT: "benchmarks.sample_project", CELLS: "benchmarks.sample_cells", SEED: "benchmarks.sample_seed"}
CHARS = {PROJECT: 200, CELLS: 200, SEED: 3}  # characters of each text in a turn


def measure(units: Sequence[int], rows: int, *, rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Measure the contenders in turn. Returns the answers of each."""
    with ExitStack() as stack:
        contenders = {
            name: Contender(sys.executable, module, ["--units", *map(str, units), "--rows", str(rows)])
            for name, module in MODULES.items()
        }
        for name, contender in contenders.items():
            stack.enter_context(contender)
            contender.turn(chars=CHARS[name])  # compiles
        turns: dict[str, list[dict[str, Any]]] = {name: [] for name in contenders}
        for _ in range(rounds):
            for name, contender in contenders.items():
                turns[name].append(contender.turn(chars=CHARS[name]))
    return turns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--texts", type=int, nargs="+", default=[1, 8, 64])
    args = parser.parse_args()
    for model, units in MODELS.items():
        for rows in args.texts:
            turns = measure(units, rows, rounds=args.rounds)
            rates = {
                name: statistics.median(turn["chars"] / turn["seconds"] for turn in answers)
                for name, answers in turns.items()
            }
            shape = f"{model} {'+'.join(map(str, units)):<8}"
            for name, rate in rates.items():
                print(
                    f"{shape} {rows:>2} texts  {name:<12} {turns[name][0]['precision']:<8} "
                    f"{rate:10,.1f} characters/s; this project {rates[PROJECT] / rate:8.2f} times as many",
                    flush=True,
                )


if __name__ == "__main__":
    main()
