"""Held-out bits per character after ten minutes: this project's demo recipe, nanoGPT's CPU configuration and counting.

    python -m benchmarks.quality [--seconds 600] [--input URL] [--set KEY=VALUE ...] [--peers .peers/bin/python]

Both models train on the same reviews and are evaluated on the same held-out reviews. They take turns of a minute; the
other process is stopped meanwhile. This project runs `jobs.train` with jobs/demo.yaml until `max_chars`. Its time
includes start, checkpoints, validation and samples. The peer's time is training alone; its learning rate falls to a
tenth at its end. Both times are printed. Counting is the n-gram model of benchmarks/ngrams.py, of the order that is
best on the validation split.
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
from benchmarks.ngrams import predict
from preprocessing.dataset import manifest, records

TURN_SECONDS = 60.0
WINDOW_CHARS = 128


def prepare(source: str, folder: Path) -> Path:
    """Build a dataset of the reviews. Also writes each split's text as an array of ids, for the peer."""
    dataset = folder / "dataset"
    windows = [f"window_chars={WINDOW_CHARS}", f"stride_chars={WINDOW_CHARS}"]
    job("preprocess", *sets(f"input={source}", f"output={dataset}", *windows))
    parsed = manifest.parse_manifest((dataset / manifest.NAME).read_bytes(), where=manifest.NAME)
    for split in ("train", "validation", "test"):
        parts = []
        for shard in parsed.shards_of(split):
            framed = np.fromfile(dataset / shard.name, np.uint8).reshape(-1, parsed.record_bytes)
            parts.append(records.payload(framed, parsed.id_dtype(), WINDOW_CHARS + 1)[:, :-1].reshape(-1))
        np.save(folder / f"{split}.npy", np.concatenate(parts))
    return dataset


def sets(*settings: str) -> list[str]:
    return [part for setting in settings for part in ("--set", setting)]


def job(name: str, *arguments: str) -> str:
    command = [sys.executable, "-m", f"jobs.{name}", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0, help="training time of the peer")
    parser.add_argument("--input", default=str(REAL), help="reviews (default: the real reviews)")
    parser.add_argument("--set", action="append", default=[], dest="changes", help="changes to jobs/demo.yaml")
    parser.add_argument("--peers", default=".peers/bin/python", help="a Python interpreter with PyTorch")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-quality-") as scratch:
        folder = Path(scratch)
        dataset = prepare(args.input, folder)
        result = race(folder, dataset, args.changes, peers=args.peers, seconds=args.seconds)
        run = str(folder / "runs/project")
        results = {split: json.loads(job("evaluate", run, *sets(f"split={split}"))) for split in ("validation", "test")}
        ours = {split: found["bits_per_char"] for split, found in results.items()}
        show("this project", result["project"], ours)
        zero = {split: found["bits_per_char_windows"] for split, found in results.items()}
        show("  each window from zero", result["project"], zero)
        peers = {"nanoGPT's CPU configuration": (result["peer"], result["bits"])} | count_ngrams(folder, dataset)
        for name, (seconds, bits) in peers.items():
            show(name, seconds, bits)
            gain = {split: 1 - ours[split] / bits[split] for split in ours}
            print(f"{'':<28} this project: {gain['validation']:.1%} (validation), {gain['test']:.1%} (test) fewer bits")


def count_ngrams(folder: Path, dataset: Path) -> dict[str, tuple[float, dict[str, float]]]:
    """Return the n-gram model's name with its seconds and its bits per character by split."""
    train, *held_out = (np.load(folder / f"{split}.npy") for split in ("train", "validation", "test"))
    symbols = len(manifest.parse_manifest((dataset / manifest.NAME).read_bytes(), where=manifest.NAME).vocabulary)
    began = time.monotonic()
    validation, test = ([bits(p) for p in predict(train, ids, symbols=symbols)] for ids in held_out)
    best = int(np.argmin(validation))
    seconds = time.monotonic() - began
    return {f"counting, {best + 1}-grams": (seconds, {"validation": validation[best], "test": test[best]})}


def bits(probabilities: np.ndarray) -> float:
    return float(-np.log2(probabilities).mean())


def race(folder: Path, dataset: Path, changes: Sequence[str], *, peers: str, seconds: float) -> dict:
    """Train both models in turn. Returns the seconds of each, and the peer's bits per character by split."""
    urls = sets(f"dataset={dataset}", f"runs={folder / 'runs'}", *changes)
    command = [sys.executable, "-m", "jobs.train", "--config", "jobs/demo.yaml", "--run", "project", *urls]
    project_seconds, peer_seconds, turn = 0.0, 0.0, {"chars": 0}
    with (
        Contender(peers, "benchmarks.transformer_torch", [str(folder), "--seconds", str(seconds)]) as peer,
        subprocess.Popen(command, stderr=subprocess.DEVNULL) as process,
    ):
        while process.poll() is None or peer_seconds < seconds:
            began = time.monotonic()
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                try:
                    process.wait(TURN_SECONDS)
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGSTOP)
                project_seconds += time.monotonic() - began
            if peer_seconds < seconds:
                turn = peer.turn(seconds=min(TURN_SECONDS, seconds - peer_seconds))
                peer_seconds += turn["seconds"]
            print(
                f"this project {project_seconds:.0f} s; "
                f"peer {peer_seconds:.0f} s, {turn['chars'] / 1e6:.1f} M characters",
                flush=True,
            )
        if process.returncode:
            raise ChildProcessError(f"exit code {process.returncode}: {command}")
        return {"project": project_seconds, "peer": peer_seconds, "bits": peer.turn(evaluate=True)["bits"]}


def show(name: str, seconds: float, bits: dict[str, float]) -> None:
    print(
        f"{name:<28} {seconds:5.0f} s  validation {bits['validation']:.3f}  test {bits['test']:.3f} bits per character"
    )


if __name__ == "__main__":
    main()
