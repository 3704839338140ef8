"""Reviews into a dataset: seconds, characters a second and peak memory, beside the naive pipeline.

    python -m benchmarks.data [--reviews 229907] [--rounds 3] [--only peer|scale]

Both are whole processes, from the zip to the last byte, imports included; ours also drops duplicates, splits,
writes a manifest and reads back what it wrote. They run in turn in each round; the medians are printed, and the
median of the rounds' ratios. After them ours alone on four and sixteen times as many reviews, once. Memory is the
greatest sum of the resident sets of a process and its children, looked at 20 times a second; pages that two share
count twice. Stride 3 is run on a ninth of the reviews: the peer would need more memory than most machines have.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks import corpus

STRIDES = {256: 1, 16: 1, 3: 9}  # and the part of the corpus that each is run on
SCALES = (1, 4, 16)
HEAD = "{:>6}  reviews  characters         seconds characters/s  peak MB"


class Run(NamedTuple):
    """How long a command took, and the most memory that it held."""

    seconds: float
    megabytes: float


def timed(command: list[str]) -> Run:
    began, peak = time.monotonic(), 0
    with tempfile.TemporaryFile() as errors:
        process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        while process.poll() is None:
            with suppress(psutil.NoSuchProcess):
                family = [process, *process.children(recursive=True)]
                peak = max(peak, sum(member.memory_info().rss for member in family))
            time.sleep(0.05)
        if process.returncode:
            errors.seek(0)
            sys.exit(f"{errors.read().decode()}\n{' '.join(command)}: exit code {process.returncode}")
    return Run(time.monotonic() - began, peak / 1e6)


def ours(source: Path, output: Path, stride: int) -> list[str]:
    sets = [f"input={source}", f"output={output}", f"stride_chars={stride}"]
    return [sys.executable, "-m", "jobs.preprocess", *(part for value in sets for part in ("--set", value))]


def peer(source: Path, output: Path, stride: int) -> list[str]:
    return [sys.executable, "-m", "benchmarks.naive_dataset", str(source), str(output), str(stride)]


def row(label: str, reviews: int, characters: int, name: str, run: Run) -> None:
    """A line of the table."""
    print(
        f"{label:>6} {reviews:>8} {characters:>11}  {name:<5} {run.seconds:>8.1f} "
        f"{characters / run.seconds:>12.0f} {run.megabytes:>8.0f}",
        flush=True,
    )


def beside_the_peer(folder: Path, reviews: int, rounds: int) -> None:
    print(HEAD.format("stride"))
    for stride, part in STRIDES.items():
        source = folder / f"{part}.zip"
        characters = corpus.write_zip(source, reviews // part)
        found: dict[str, list[Run]] = {"ours": [], "naive": []}
        for number in range(rounds):
            for name, command in {"ours": ours, "naive": peer}.items():
                found[name].append(timed(command(source, folder / "output", stride)))
                shutil.rmtree(folder / "output")
                print(f"# round {number + 1}, stride {stride}: {name} {found[name][-1].seconds:.1f} s", flush=True)
        medians = {name: Run(*map(statistics.median, zip(*runs, strict=True))) for name, runs in found.items()}
        for name, median in medians.items():
            row(str(stride), reviews // part, characters, name, median)
        ratio = statistics.median(n.seconds / o.seconds for o, n in zip(found["ours"], found["naive"], strict=True))
        print(f"{stride:>6} ours is {ratio:.1f} times as fast", flush=True)


def larger_and_larger(folder: Path, reviews: int) -> None:
    print(HEAD.format("size"))
    for scale in SCALES:
        source = folder / "scaled.zip"
        characters = corpus.write_zip(source, reviews * scale)
        run = timed(ours(source, folder / "output", 256))
        shutil.rmtree(folder / "output")
        row(f"{scale}x", reviews * scale, characters, "ours", run)


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
            larger_and_larger(Path(folder), asked.reviews)


if __name__ == "__main__":
    main()
