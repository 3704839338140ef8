"""Training throughput on the seed script's model and on the demo's: this project, PyTorch's nn.LSTM, the seed script.

    python -m benchmarks.train [--models seed demo] [--rounds 5] [--batches 128 256] [--peers .peers/bin/python]

The unit is predicted characters per second. In each round every contender does one step. Medians and ratios are
printed. All train with Adam; the demo's recipe is this project with Muon. PyTorch has its own interpreter, which
`make bench-train` installs. The limit is the throughput if all
operations were one large matrix product, measured in the same rounds. `input` is the share of a step spent reading
windows. For this project the benchmark also times the evaluation of a batch and the sampling of four texts, prints
the peak memory after them, and the share of each part of a step.
"""

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from benchmarks.contender import Contender
from benchmarks.lstm_parts import list_shares
from benchmarks.lstm_shapes import SHAPES
from trainer.runtime.machine import describe_machine

PROJECT, MUON, PEER, SEED = "this project", "with Muon", "PyTorch", "seed script"


def measure(
    model: str, batch: int, *, rounds: int, peers: str
) -> tuple[Mapping[str, list[dict[str, Any]]], list[float]]:
    """Measure the contenders in turn. Returns the answers of each, and each round's limit in operations per second."""
    batch_size = ["--batch", str(batch)]
    size = ["--model", model, *batch_size]
    with ExitStack() as stack:
        contenders = {
            PROJECT: Contender(sys.executable, "benchmarks.lstm_project", size),
            PEER: Contender(peers, "benchmarks.lstm_torch", size),
            f"{PEER} float32": Contender(peers, "benchmarks.lstm_torch", [*size, "--float32"]),
        }
        if model == "seed":
            contenders[SEED] = Contender(sys.executable, "benchmarks.lstm_seed", batch_size)
        else:
            contenders[MUON] = Contender(sys.executable, "benchmarks.lstm_project", [*size, "--optimizer", "muon"])
        for contender in contenders.values():
            stack.enter_context(contender)
            contender.turn()  # compiles
        turns: dict[str, list[dict[str, Any]]] = {name: [] for name in contenders}
        limits = []
        for number in range(rounds):
            limits.append(float(contenders[PROJECT].turn(matmul=True)["flops"]))
            for name, contender in contenders.items():
                turns[name].append(contender.turn())
            seconds_text = ", ".join(f"{name} {answers[-1]['step']:.2f} s" for name, answers in turns.items())
            print(f"{model}, batch {batch}, round {number + 1}: {seconds_text}", flush=True)
        for task in ("evaluate", "sample"):
            contenders[PROJECT].turn(**{task: True})  # compiles
            answers = [contenders[PROJECT].turn(**{task: True}) for _ in range(rounds)]
            seconds = statistics.median(answer["seconds"] for answer in answers)
            print(f"{PROJECT}, {task}: {seconds:.2f} s; {answers[-1]['peak_mb']:,.0f} MB at most since its start")
        print(f"{PROJECT}, a step: {describe_parts(contenders[PROJECT], rounds)}")
    return turns, limits


def describe_parts(project: Contender, rounds: int) -> str:
    """Return the share of each part of a step, from medians over the rounds."""
    project.turn(parts=True)  # compiles
    answers = []
    for _ in range(rounds):
        steps = {"step": project.turn()["step"]}
        answers.append(project.turn(parts=True) | steps)
    medians = {name: statistics.median(answer[name] for answer in answers) for name in answers[0] if name != "peak_mb"}
    step = medians.pop("step")
    return ", ".join(f"{name} {share:.0%}" for name, share in list_shares(medians, step).items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", choices=SHAPES, nargs="+", default=list(SHAPES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, nargs="+", default=[], help="default: each model's own")
    parser.add_argument("--peers", default=".peers/bin/python", help="a Python interpreter with PyTorch")
    args = parser.parse_args()
    print(describe_machine()["CPU"])
    for model in args.models:
        for batch in args.batches or SHAPES[model].batches:
            report(model, batch, *measure(model, batch, rounds=args.rounds, peers=args.peers))


def report(model: str, batch: int, turns: Mapping[str, list[dict[str, Any]]], limits: Sequence[float]) -> None:
    """Print medians and ratios of what `measure` returned."""
    shape, limit = SHAPES[model], statistics.median(limits)
    seconds = {name: statistics.median(turn["input"] + turn["step"] for turn in turns[name]) for name in turns}
    rates = {name: batch * (1 if name == SEED else shape.window_chars) / seconds[name] for name in turns}
    units = " -> ".join(map(str, shape.units))
    print(f"\nLSTM {units}, batch {batch}; limit {limit / 1e9:.0f} GFLOP/s = {limit / shape.flops:,.0f} characters/s")
    for name, answers in turns.items():
        share = statistics.median(turn["input"] / (turn["input"] + turn["step"]) for turn in answers)
        print(
            f"{name:<16} {answers[0]['precision']:<9} {rates[name]:10,.1f} predicted characters/s; this project "
            f"{rates[PROJECT] / rates[name]:6.2f} times as many; {answers[-1]['peak_mb']:6,.0f} MB at most; "
            f"input {share:.2%}; {rates[name] * shape.flops / limit:.0%} of the limit",
            flush=True,
        )
    print(flush=True)


if __name__ == "__main__":
    main()
