"""Held-out bits per character after ten minutes: this project's demo recipe, and nanoGPT's configuration for CPUs.

    python -m benchmarks.quality [--seconds 600] [--input URL] [--set KEY=VALUE ...] [--peers .peers/bin/python]

Both train on the same reviews and are asked for the same held-out ones. They take turns of a minute, and while one
runs the other is stopped, so each has the machine for itself half of the time. Ours is the real command with
jobs/demo.yaml, its start, checkpoints, validation and samples included in its time; the peer's time is training
alone, at a rate that falls to its tenth just at its end. Ours ends by its own `max_chars`; both times are printed.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.contender import Contender
from benchmarks.corpus import REAL
from preprocessing.dataset import manifest, records

TURN_SECONDS = 60.0
WINDOW_CHARS = 128


def prepare(source: str, folder: Path) -> Path:
    """A dataset of the source's reviews, and each split's text as one array of ids beside it."""
    dataset = folder / "dataset"
    windows = [f"window_chars={WINDOW_CHARS}", f"stride_chars={WINDOW_CHARS}"]
    job("preprocess", *sets(f"input={source}", f"output={dataset}", *windows))
    made = manifest.parse_manifest((dataset / manifest.NAME).read_bytes(), where=manifest.NAME)
    for split in ("train", "validation", "test"):
        parts = []
        for shard in made.shards_of(split):
            framed = np.fromfile(dataset / shard.name, np.uint8).reshape(-1, made.record_bytes)
            parts.append(records.payload(framed, made.id_dtype(), WINDOW_CHARS + 1)[:, :-1].reshape(-1))
        np.save(folder / f"{split}.npy", np.concatenate(parts))
    return dataset


def sets(*settings: str) -> list[str]:
    return [part for setting in settings for part in ("--set", setting)]


def job(name: str, *arguments: str) -> str:
    command = [sys.executable, "-m", f"jobs.{name}", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=600.0, help="of the peer")
    arguments.add_argument("--input", default=str(REAL), help="reviews (default: the real ones, where they are)")
    arguments.add_argument("--set", action="append", default=[], dest="changes", help="of ours, beside demo.yaml")
    arguments.add_argument("--peers", default=".peers/bin/python", help="an interpreter that has PyTorch")
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-quality-") as made:
        folder = Path(made)
        dataset = prepare(asked.input, folder)
        taken = race(folder, dataset, asked.changes, peers=asked.peers, seconds=asked.seconds)
        rows = [json.loads(line) for line in (folder / "runs/ours/metrics.jsonl").read_text().splitlines()]
        validation = next(row["bits_per_char"] for row in reversed(rows) if row["kind"] == "validation")
        test = json.loads(job("evaluate", str(folder / "runs/ours"), "--set", "split=test"))["bits_per_char"]
        show("this project", taken["ours"], {"validation": validation, "test": test})
        show("nanoGPT's CPU configuration", taken["peer"], taken["bits"])
        gain = {
            split: 1 - found / taken["bits"][split] for split, found in (("validation", validation), ("test", test))
        }
        print(f"fewer bits: {gain['validation']:.1%} (validation), {gain['test']:.1%} (test)")


def race(folder: Path, dataset: Path, changes: Sequence[str], *, peers: str, seconds: float) -> dict:
    """Trains both in turn; each one's seconds, and the peer's bits per character by split."""
    places = sets(f"dataset={dataset}", f"runs={folder / 'runs'}", *changes)
    command = [sys.executable, "-m", "jobs.train", "--config", "jobs/demo.yaml", "--run", "ours", *places]
    ours, taken, turn = 0.0, 0.0, {"chars": 0}
    with (
        Contender(peers, "benchmarks.transformer_torch", [str(folder), "--seconds", str(seconds)]) as peer,
        subprocess.Popen(command, stderr=subprocess.DEVNULL) as process,
    ):
        while process.poll() is None or taken < seconds:
            began = time.monotonic()
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                try:
                    process.wait(TURN_SECONDS)
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGSTOP)
                ours += time.monotonic() - began
            if taken < seconds:
                turn = peer.turn(seconds=min(TURN_SECONDS, seconds - taken))
                taken += turn["seconds"]
            print(f"this project {ours:.0f} s; peer {taken:.0f} s, {turn['chars'] / 1e6:.1f} M characters", flush=True)
        if process.returncode:
            raise ChildProcessError(f"ended with {process.returncode}: {command}")
        return {"ours": ours, "peer": taken, "bits": peer.turn(evaluate=True)["bits"]}


def show(name: str, seconds: float, bits: dict[str, float]) -> None:
    print(
        f"{name:<28} {seconds:5.0f} s  validation {bits['validation']:.3f}  test {bits['test']:.3f} bits per character"
    )


if __name__ == "__main__":
    main()
