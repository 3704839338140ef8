"""Time, throughput and peak memory of building a dataset, beside a naive pipeline.

    python -m benchmarks.data [--reviews 229907] [--rounds 3] [--only peer|scale]

Both pipelines are whole processes, imports included, from the zip to the last byte. This project ("ours") also drops
duplicates, splits, writes a manifest and verifies its output. The pipelines take turns in each round. The medians, and
the median ratio of a round, are printed. Then this project alone builds four and sixteen times as many reviews.

Memory is the peak sum of the resident sets of a process and its children, sampled 20 times a second. Shared pages count
twice. Stride 3 uses a ninth of the reviews, because the peer needs more memory than most machines have.
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

STRIDES = {256: 1, 16: 1, 3: 9}  # stride: divisor of the number of reviews
SCALES = (1, 4, 16)
HEAD = "{:>6}  reviews  characters         seconds characters/s  peak MB"


class Run(NamedTuple):
    """Duration and peak memory of a command."""

    seconds: float
    megabytes: float


def run_command(command: list[str]) -> Run:
    """Run a command and measure its duration and peak memory. Exits if the command fails."""
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


def project_command(source: Path, output: Path, stride: int) -> list[str]:
    sets = [f"input={source}", f"output={output}", f"stride_chars={stride}"]
    return [sys.executable, "-m", "jobs.preprocess", *(part for value in sets for part in ("--set", value))]


def peer_command(source: Path, output: Path, stride: int) -> list[str]:
    return [sys.executable, "-m", "benchmarks.naive_dataset", str(source), str(output), str(stride)]


def print_row(label: str, reviews: int, characters: int, name: str, run: Run) -> None:
    """Print a row of the table."""
    print(
        f"{label:>6} {reviews:>8} {characters:>11}  {name:<5} {run.seconds:>8.1f} "
        f"{characters / run.seconds:>12.0f} {run.megabytes:>8.0f}",
        flush=True,
    )


def compare(folder: Path, reviews: int, rounds: int) -> None:
    """Measure this project and the naive pipeline in turn, at each stride."""
    print(HEAD.format("stride"))
    for stride, divisor in STRIDES.items():
        source = folder / f"{divisor}.zip"
        characters = corpus.write_zip(source, reviews // divisor)
        runs: dict[str, list[Run]] = {"ours": [], "naive": []}
        for number in range(rounds):
            for name, command in {"ours": project_command, "naive": peer_command}.items():
                runs[name].append(run_command(command(source, folder / "output", stride)))
                shutil.rmtree(folder / "output")
                print(f"# round {number + 1}, stride {stride}: {name} {runs[name][-1].seconds:.1f} s", flush=True)
        medians = {name: Run(*map(statistics.median, zip(*measured, strict=True))) for name, measured in runs.items()}
        for name, median in medians.items():
            print_row(str(stride), reviews // divisor, characters, name, median)
        ratio = statistics.median(naive.seconds / ours.seconds for ours, naive in zip(*runs.values(), strict=True))
        print(f"{stride:>6} ours is {ratio:.1f} times as fast", flush=True)


def scale_up(folder: Path, reviews: int) -> None:
    """Measure this project alone on one, four and sixteen times as many reviews."""
    print(HEAD.format("size"))
    for scale in SCALES:
        source = folder / "scaled.zip"
        characters = corpus.write_zip(source, reviews * scale)
        run = run_command(project_command(source, folder / "output", 256))
        shutil.rmtree(folder / "output")
        print_row(f"{scale}x", reviews * scale, characters, "ours", run)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reviews", type=int, default=corpus.KAGGLE_REVIEWS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["peer", "scale"])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-data-") as folder:
        if args.only != "scale":
            compare(Path(folder), args.reviews, args.rounds)
        if args.only != "peer":
            scale_up(Path(folder), args.reviews)


if __name__ == "__main__":
    main()
