"""Held-out bits per character after ten minutes: this project's demo recipe and its peers, on the same text.

    python -m benchmarks.quality [--seconds 600] [--input URL] [--set KEY=VALUE ...] [--peers .peers/bin/python]

The peers are nanoGPT's CPU configuration, PyTorch's nn.LSTM with the sizes and the recipe of jobs/demo.yaml but Adam
with its own best batch and rate, and counting. (PyTorch's Muon computes in bfloat16: 1.9 s a step on a CPU without such
instructions.) All train on the same reviews and are evaluated on the same held-out reviews. They take turns of a
minute; the other processes are stopped or wait meanwhile.

This project runs `jobs.train` with jobs/demo.yaml until `max_chars`. Its time includes start, checkpoints, validation
and samples. A peer's time is training alone, in the precision that is faster on the machine; its learning rate falls to
a tenth at its end. Counting is the n-gram model of benchmarks/ngrams.py, of the order that is best on the validation
split.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import yaml

from benchmarks.contender import Contender
from benchmarks.corpus import REAL
from benchmarks.lstm_shapes import DEMO_WINDOW_CHARS
from benchmarks.ngrams import predict
from jobs.terminal.table import format_table
from preprocessing.dataset import manifest, records
from trainer.runtime.machine import describe_machine

TURN_SECONDS = 60.0
ADAM_BATCH, ADAM_RATE = 64, 8e-3  # the best of the trials in docs/results.md with Adam
SPLITS = ("validation", "test")
Row = tuple[str, float, Mapping[str, float]]  # name, seconds, bits per character by split


def prepare(source: str, folder: Path) -> Path:
    """Build a dataset of the reviews. Also writes each split's text as an array of ids, for the peer."""
    dataset = folder / "dataset"
    windows = [f"window_chars={DEMO_WINDOW_CHARS}", f"stride_chars={DEMO_WINDOW_CHARS}"]
    job("preprocess", *sets(f"input={source}", f"output={dataset}", *windows))
    parsed = manifest.parse_manifest((dataset / manifest.NAME).read_bytes(), where=manifest.NAME)
    for split in ("train", *SPLITS):
        parts = []
        for shard in parsed.shards_of(split):
            framed = np.fromfile(dataset / shard.name, np.uint8).reshape(-1, parsed.record_bytes)
            parts.append(records.payload(framed, parsed.id_dtype(), DEMO_WINDOW_CHARS + 1)[:, :-1].reshape(-1))
        np.save(folder / f"{split}.npy", np.concatenate(parts))
    return dataset


def sets(*settings: str) -> list[str]:
    return [part for setting in settings for part in ("--set", setting)]


def job(name: str, *arguments: str) -> str:
    command = [sys.executable, "-m", f"jobs.{name}", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0, help="training time of each peer")
    parser.add_argument("--input", default=str(REAL), help="reviews (default: the real reviews)")
    parser.add_argument("--set", action="append", default=[], dest="changes", help="changes to jobs/demo.yaml")
    parser.add_argument("--peers", default=".peers/bin/python", help="a Python interpreter with PyTorch")
    args = parser.parse_args()
    machine = describe_machine()
    print(f"{machine['CPU']}, {machine['cores']} cores")
    with tempfile.TemporaryDirectory(prefix="bench-quality-") as scratch:
        folder = Path(scratch)
        dataset = prepare(args.input, folder)
        arguments = [str(folder), "--seconds", str(args.seconds)]
        with ExitStack() as stack:
            peers = {
                "nanoGPT's CPU configuration": Contender(args.peers, "benchmarks.transformer_torch", arguments),
                "PyTorch's nn.LSTM": Contender(args.peers, "benchmarks.recurrent_torch", [*arguments, *list_recipe()]),
            }
            for peer in peers.values():
                stack.enter_context(peer)
            seconds = race(folder, dataset, args.changes, peers, seconds=args.seconds)
            answers = {name: peer.turn(evaluate=True) for name, peer in peers.items()}
        run = str(folder / "runs/project")
        results = {split: json.loads(job("evaluate", run, *sets(f"split={split}"))) for split in SPLITS}
        carried = {split: result["bits_per_char"] for split, result in results.items()}
        rows = [("this project", seconds, carried)]
        rows += [
            ("  each window from zero", seconds, {s: result["bits_per_char_windows"] for s, result in results.items()})
        ]
        rows += [(f"{name}, {answer['precision']}", args.seconds, answer["bits"]) for name, answer in answers.items()]
        print("\n".join(format_rows([*rows, count_ngrams(folder, dataset)])))


def list_recipe() -> list[str]:
    """Return the sizes and the recipe of jobs/demo.yaml, for Adam, as arguments of benchmarks.recurrent_torch."""
    config = yaml.safe_load(Path("jobs/demo.yaml").read_text())
    [units] = config["model"]["lstm_units"]
    recipe = {
        "units": units,
        "batch": ADAM_BATCH,
        "chars": DEMO_WINDOW_CHARS,
        "windows": config["carry_windows"],
        "warmup-steps": config["warmup_steps"],
        "rate": ADAM_RATE,
    }
    return [part for name, value in recipe.items() for part in (f"--{name}", str(value))]


def count_ngrams(folder: Path, dataset: Path) -> Row:
    """Return the n-gram model's name, its seconds, and its bits per character by split."""
    train, *held_out = (np.load(folder / f"{split}.npy") for split in ("train", *SPLITS))
    symbols = len(manifest.parse_manifest((dataset / manifest.NAME).read_bytes(), where=manifest.NAME).vocabulary)
    began = time.monotonic()
    validation, test = ([bits(p) for p in predict(train, ids, symbols=symbols)] for ids in held_out)
    best = int(np.argmin(validation))
    return f"counting, {best + 1}-grams", time.monotonic() - began, {"validation": validation[best], "test": test[best]}


def bits(probabilities: np.ndarray) -> float:
    return float(-np.log2(probabilities).mean())


def race(
    folder: Path, dataset: Path, changes: Sequence[str], peers: Mapping[str, Contender], *, seconds: float
) -> float:
    """Train this project and its peers in turn, each peer for `seconds`. Return the project's seconds."""
    urls = sets(f"dataset={dataset}", f"runs={folder / 'runs'}", *changes)
    command = [sys.executable, "-m", "jobs.train", "--config", "jobs/demo.yaml", "--run", "project", *urls]
    project_seconds, taken = 0.0, dict.fromkeys(peers, 0.0)
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None or any(spent < seconds for spent in taken.values()):
            began = time.monotonic()
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                try:
                    process.wait(TURN_SECONDS)
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGSTOP)
                project_seconds += time.monotonic() - began
            print(f"this project {project_seconds:.0f} s", end="")
            for name, peer in peers.items():
                if taken[name] < seconds:
                    turn = peer.turn(seconds=min(TURN_SECONDS, seconds - taken[name]))
                    taken[name] += turn["seconds"]
                    print(f"; {name} {taken[name]:.0f} s, {turn['chars'] / 1e6:.1f} M characters", end="")
            print(flush=True)
        if process.returncode:
            raise ChildProcessError(f"exit code {process.returncode}: {command}")
    return project_seconds


def format_rows(rows: Sequence[Row]) -> list[str]:
    """Format each row's bits per character, and how many fewer the first row has."""
    _, _, first = rows[0]
    header = ("", "seconds", *SPLITS, *(f"fewer, {split}" for split in SPLITS))
    cells = [
        (
            name,
            f"{seconds:.0f}",
            *(f"{bits_per_char[split]:.3f}" for split in SPLITS),
            *(f"{1 - first[split] / bits_per_char[split]:.1%}" for split in SPLITS),
        )
        for name, seconds, bits_per_char in rows
    ]
    return format_table("<>>>>>", [header, *cells])


if __name__ == "__main__":
    main()
