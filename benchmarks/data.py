"""Reviews into a dataset: seconds, characters a second and peak memory, beside the naive pipeline.

    python -m benchmarks.data [--reviews 229907] [--rounds 3] [--only peer|scale]

Both are whole processes, from the zip to the last byte, imports included; ours also drops duplicates, splits,
writes a manifest and reads back what it wrote. They run in turn in each round; medians are printed. Memory is
the greatest sum of the resident sets of a process and its children, looked at 20 times a second; pages that two
share count twice. Stride 3 is run on a ninth of the reviews: the peer would need more memory than most machines have.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks import corpus

STRIDES = {256: 1, 16: 1, 3: 9}  # and the part of the corpus that each is run on
SCALES = (1, 4, 16)
HEAD = " reviews  characters         seconds characters/s  peak MB"


class Run(NamedTuple):
    """How long a command took, and the most memory that it held."""

    seconds: float
    megabytes: float


def timed(command: list[str]) -> Run:
    began, peak = time.monotonic(), 0
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        try:
            family = [process, *process.children(recursive=True)]
            peak = max(peak, sum(member.memory_info().rss for member in family))
        except psutil.NoSuchProcess:
            pass
        time.sleep(0.05)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit code {process.returncode}")
    return Run(time.monotonic() - began, peak / 1e6)


def ours(source: Path, output: Path, stride: int) -> list[str]:
    sets = [f"input={source}", f"output={output}", f"stride_chars={stride}"]
    return [sys.executable, "-m", "jobs.preprocess", *(part for value in sets for part in ("--set", value))]


def peer(source: Path, output: Path, stride: int) -> list[str]:
    return [sys.executable, "-m", "benchmarks.naive_dataset", str(source), str(output), str(stride)]


def beside_the_peer(folder: Path, reviews: int, rounds: int) -> None:
    print(
        f"{'stride':>6} {'reviews':>8} {'characters':>11}  {'':<5} {'seconds':>8} {'characters/s':>12} {'peak MB':>8}"
    )
    for stride, part in STRIDES.items():
        source = folder / f"{part}.zip"
        characters = corpus.write_zip(source, reviews // part)
        found: dict[str, list[Run]] = {"ours": [], "naive": []}
        for number in range(rounds):
            for name, command in {"ours": ours, "naive": peer}.items():
                found[name].append(timed(command(source, folder / "output", stride)))
                shutil.rmtree(folder / "output")
                print(f"# round {number + 1}, stride {stride}: {name} {found[name][-1].seconds:.1f} s", flush=True)
        seconds = {name: statistics.median(run.seconds for run in runs) for name, runs in found.items()}
        for name, runs in found.items():
            megabytes = statistics.median(run.megabytes for run in runs)
            print(
                f"{stride:>6} {reviews // part:>8} {characters:>11}  {name:<5} {seconds[name]:>8.1f} "
                f"{characters / seconds[name]:>12.0f} {megabytes:>8.0f}"
            )
        print(f"{stride:>6} ours is {seconds['naive'] / seconds['ours']:.1f} times as fast", flush=True)


def larger_and_larger(folder: Path, reviews: int, rounds: int) -> None:
    print(f"  size {HEAD}")
    for scale in SCALES:
        source = folder / "scaled.zip"
        characters = corpus.write_zip(source, reviews * scale)
        runs = []
        for _ in range(rounds):
            runs.append(timed(ours(source, folder / "output", 256)))
            shutil.rmtree(folder / "output")
        seconds, megabytes = (statistics.median(values) for values in zip(*runs, strict=True))
        print(
            f"{scale:>5}x {reviews * scale:>8} {characters:>11}  {'ours':<5} {seconds:>8.1f} "
            f"{characters / seconds:>12.0f} {megabytes:>8.0f}",
            flush=True,
        )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--reviews", type=int, default=corpus.KAGGLE_REVIEWS)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--only", choices=["peer", "scale"])
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-data-") as folder:
        if asked.only != "scale":
            beside_the_peer(Path(folder), asked.reviews, asked.rounds)
        if asked.only != "peer":
            larger_and_larger(Path(folder), asked.reviews, asked.rounds)


if __name__ == "__main__":
    main()
