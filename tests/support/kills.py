"""Kills a training run at random instants, restarts it, and compares its outcome with an undisturbed run.

    python -m tests.support.kills --runs 4 --kills 25 --seed 1

Half of the kills come after a random time, the other half in a random phase of the run. A kill is SIGKILL, SIGTERM, or
SIGTERM and soon SIGKILL, as after a short grace period.
"""

import argparse
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs import demo_reviews
from jobs.cli.config import load_config
from preprocessing.dataset.folder import open_dataset
from tests.support.inputs import sets, small_dataset
from tests.support.runs import newest, outcome, start
from trainer.config import TrainConfig
from trainer.runs.folder import plan_run

# Eight epochs of about 40 steps, ten seconds after start-up, and validations within most of them. Checkpoints follow
# each other without a pause.
SETTINGS: dict[str, Any] = {
    "model.lstm_units": "[96, 64]",
    "batch_windows": 96,
    "epochs": 8,
    "validate_every_chars": 25 * 96 * 16,  # 25 steps
    "learning_rate": 0.005,
    "log_every_steps": 7,
    "block_windows": 2000,
    "sample.chars": 150,
    "sample.prompt_chars": 12,
    "checkpoint.every_seconds": 0.05,
    "checkpoint.keep_every_epochs": 3,
}
START, STEP, WRITE, UPLOAD, EPOCH = "start-up", "step", "checkpoint write", "upload", "evaluation or sampling"
PHASES = (START, STEP, WRITE, UPLOAD, EPOCH)
KILL, TERM = (signal.SIGKILL,), (signal.SIGTERM,)
SIGNALS = {"SIGKILL": KILL, "SIGTERM": TERM, "SIGTERM, SIGKILL": TERM + KILL}


class Local:
    """A run as a process on this machine, in a local folder."""

    def __init__(self, dataset: Path, runs: Path, name: str, changes: Mapping[str, Any]) -> None:
        settings = {**SETTINGS, **changes, "dataset": dataset, "runs": runs}
        self._arguments = ["--run", name, *sets(**settings)]
        config = load_config(TrainConfig, file=None, sets=[f"{key}={value}" for key, value in settings.items()])
        self._plan = plan_run(config, open_dataset(str(dataset)).manifest)
        self.folder, self._scratch, self._log = runs / name, runs / f"{name}.scratch", runs / f"{name}.log"

    def start(self) -> None:
        """Start or restart the command."""
        self._scratch.mkdir(exist_ok=True)
        self._process = start(self._arguments, log=self._log, TMPDIR=str(self._scratch))

    def running(self) -> bool:
        return self._process.poll() is None

    def kill(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for the process to end, and return its exit code: negative after an unhandled signal."""
        return self._process.wait(timeout=300)

    def log(self) -> str:
        """Return the command's output since its last start."""
        return self._log.read_text()

    def phase(self) -> str:
        """Return the phase of the run, as its log and files show it."""
        if " parameters, " not in self.log() and "continuing after step" not in self.log():
            return START
        if list(self.folder.glob("checkpoints/.*.tmp")):
            return UPLOAD
        if list(self._scratch.glob("train-*/saving.safetensors")):
            return WRITE
        saved = newest(self.folder)
        due = saved and self._plan.validates(saved["step"])
        return EPOCH if due and saved["validation"] is None else STEP


@dataclass
class Kills:
    """Numbers of kills by signal, phase and exit code."""

    signals: Counter[str] = field(default_factory=Counter)
    phases: Counter[str] = field(default_factory=Counter)
    codes: Counter[int] = field(default_factory=Counter)

    def __str__(self) -> str:
        parts = (("signals", self.signals), ("phases", self.phases), ("exit codes", self.codes))
        return "; ".join(f"{name}: {dict(sorted(counts.items()))}" for name, counts in parts)


def disturb(target: Local, numbers: random.Random, kills: Kills) -> bool:
    """Start the run and kill it once. Returns False if the run finished before the kill."""
    wanted = numbers.choice(PHASES) if numbers.random() < 0.5 else None
    deadline = time.monotonic() + (20 if wanted else numbers.uniform(0, 10))
    target.start()
    while target.running() and time.monotonic() < deadline and (wanted is None or target.phase() != wanted):
        time.sleep(0.001)
    if wanted in (START, STEP, EPOCH):
        time.sleep(numbers.choice([0.0, numbers.uniform(0, 0.5)]))
    name = numbers.choice(list(SIGNALS))
    phase = target.phase()
    for number in SIGNALS[name]:
        if target.running():
            target.kill(number)
        if number == signal.SIGTERM:
            time.sleep(numbers.uniform(0, 0.3))
    code = target.wait()
    assert code in (0, 143, -signal.SIGTERM, -signal.SIGKILL), f"exit code {code}:\n{target.log()}"
    if code == 0:
        return False
    kills.signals[name] += 1
    kills.phases[phase] += 1
    kills.codes[code] += 1
    return True


def undisturbed(dataset: Path, runs: Path, **changes: Any) -> dict[str, str]:
    """Train a run without kills, with changes to SETTINGS, and return its outcome."""
    target = Local(dataset, runs, "undisturbed", changes)
    target.start()
    assert target.wait() == 0, target.log()
    return outcome(target.folder)


def survive(
    dataset: Path, runs: Path, name: str, *, kills: int, expected: dict[str, str], seed: int, **changes: Any
) -> Kills:
    """Kill runs `kills` times in all, one run after the other. Raises AssertionError if an outcome differs."""
    numbers, done, number = random.Random(seed), Kills(), 0
    while sum(done.signals.values()) < kills:
        number += 1
        target = Local(dataset, runs, f"{name}-{number}", changes)
        while sum(done.signals.values()) < kills and disturb(target, numbers, done):
            pass
        target.start()
        assert target.wait() == 0, target.log()
        assert outcome(target.folder) == expected, f"seed {seed}: {target.folder} differs"
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--kills", type=int, default=25, help="kills of each run")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        runs = Path(folder)
        demo_reviews.main(sets(output=runs / "reviews.jsonl", reviews=300))
        dataset = runs / "dataset"
        small_dataset(runs / "reviews.jsonl", dataset)
        expected = undisturbed(dataset, runs)
        for seed in range(args.seed, args.seed + args.runs):
            done = survive(dataset, runs, f"run-{seed}", kills=args.kills, expected=expected, seed=seed)
            print(f"seed {seed}: the same bits after {args.kills} kills; {done}", flush=True)


if __name__ == "__main__":
    main()
