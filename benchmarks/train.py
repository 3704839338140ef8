"""Predicted characters a second on the seed's model: this project, PyTorch's nn.LSTM, and the seed script.

    python -m benchmarks.train [--rounds 5] [--batches 128 256] [--peers .peers/bin/python]

The contenders take turns, one step each, in each round; medians are printed, and the ratio to each. PyTorch has an
interpreter of its own (`make bench-train` makes it). The limit is what the machine would train if all of it were
one large matrix product, measured in the same rounds. `input` is the share of a step's time for reading windows.
Last, of this project: a batch's evaluation, and four texts of 400 characters; and whether they take more memory.
"""

import argparse
import statistics
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from benchmarks.contender import Contender
from benchmarks.lstm_shapes import FLOPS, WINDOW_CHARS

OURS, PEER, SEED = "this project", "PyTorch", "seed script"


def measured(batch: int, *, rounds: int, peers: str) -> tuple[Mapping[str, list[dict[str, Any]]], list[float]]:
    """Each contender's turns, and the machine's limits in operations a second."""
    size = ["--batch", str(batch)]
    with ExitStack() as open_ones:
        contenders = {
            OURS: Contender(sys.executable, "benchmarks.lstm_ours", size),
            PEER: Contender(peers, "benchmarks.lstm_torch", size),
            f"{PEER} float32": Contender(peers, "benchmarks.lstm_torch", [*size, "--float32"]),
            SEED: Contender(sys.executable, "benchmarks.lstm_seed", size),
        }
        for contender in contenders.values():
            open_ones.enter_context(contender)
            contender.turn()  # compiles
        turns: dict[str, list[dict[str, Any]]] = {name: [] for name in contenders}
        limits = []
        for number in range(rounds):
            limits.append(float(contenders[OURS].turn(matmul=True)["flops"]))
            for name, contender in contenders.items():
                turns[name].append(contender.turn())
            shown = ", ".join(f"{name} {found[-1]['step']:.2f} s" for name, found in turns.items())
            print(f"batch {batch}, round {number + 1}: {shown}", flush=True)
        for other in ("evaluate", "sample"):
            found = [contenders[OURS].turn(**{other: True}) for _ in range(rounds + 1)][1:]  # the first compiles
            seconds = statistics.median(one["seconds"] for one in found)
            print(f"{OURS}, {other}: {seconds:.2f} s; {found[-1]['peak_mb']:,.0f} MB at most since its start")
    return turns, limits


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--batches", type=int, nargs="+", default=[128, 256])
    arguments.add_argument("--peers", default=".peers/bin/python", help="an interpreter that has PyTorch")
    asked = arguments.parse_args()
    for batch in asked.batches:
        turns, limits = measured(batch, rounds=asked.rounds, peers=asked.peers)
        limit = statistics.median(limits)
        ours = statistics.median(turn["input"] + turn["step"] for turn in turns[OURS])
        print(f"\nbatch {batch}; limit {limit / 1e9:.0f} GFLOP/s = {limit / FLOPS:,.0f} characters/s")
        for name, found in turns.items():
            seconds = statistics.median(turn["input"] + turn["step"] for turn in found)
            rate = batch * (1 if name == SEED else WINDOW_CHARS) / seconds
            ratio = batch * WINDOW_CHARS / ours / rate
            share = statistics.median(turn["input"] / (turn["input"] + turn["step"]) for turn in found)
            print(
                f"{name:<16} {found[0]['precision']:<9} {rate:10,.1f} predicted characters/s; this project "
                f"{ratio:6.2f} times as many; {found[-1]['peak_mb']:6,.0f} MB at most; input {share:.2%}; "
                f"{rate * FLOPS / limit:.0%} of the limit",
                flush=True,
            )
        print(flush=True)


if __name__ == "__main__":
    main()
