"""Generated characters a second, of the demo's model and of the seed's: this project beside two peers.

    python -m benchmarks.sample [--rounds 3] [--texts 1 8 64]

The peers are Keras' LSTM cells stepped in a `tf.function`, all texts as one batch, and the seed script's `predict` of
the whole window for each character. The contenders take turns in each round; medians are printed, and the ratios.
This project computes eight texts in one matrix product, each at a fixed row, as a text must not depend on the others.
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
OURS, CELLS, SEED = "this project", "Keras cells", "seed script"
MODULES = {OURS: "benchmarks.sample_ours", CELLS: "benchmarks.sample_cells", SEED: "benchmarks.sample_seed"}
CHARS = {OURS: 200, CELLS: 200, SEED: 3}  # of each text in a turn: enough to measure, and no more


def measured(units: Sequence[int], rows: int, *, rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Each contender's turns."""
    with ExitStack() as open_ones:
        contenders = {
            name: Contender(sys.executable, module, ["--units", *map(str, units), "--rows", str(rows)])
            for name, module in MODULES.items()
        }
        for name, contender in contenders.items():
            open_ones.enter_context(contender)
            contender.turn(chars=CHARS[name])  # compiles
        turns: dict[str, list[dict[str, Any]]] = {name: [] for name in contenders}
        for _ in range(rounds):
            for name, contender in contenders.items():
                turns[name].append(contender.turn(chars=CHARS[name]))
    return turns


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--texts", type=int, nargs="+", default=[1, 8, 64])
    asked = arguments.parse_args()
    for model, units in MODELS.items():
        for rows in asked.texts:
            turns = measured(units, rows, rounds=asked.rounds)
            rates = {
                name: statistics.median(turn["chars"] / turn["seconds"] for turn in found)
                for name, found in turns.items()
            }
            shape = f"{model} {'+'.join(map(str, units)):<8}"
            for name, rate in rates.items():
                print(
                    f"{shape} {rows:>2} texts  {name:<12} {turns[name][0]['precision']:<8} "
                    f"{rate:10,.1f} characters/s; this project {rates[OURS] / rate:8.2f} times as many",
                    flush=True,
                )


if __name__ == "__main__":
    main()
