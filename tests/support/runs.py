"""A small training run: its arguments, its process and its files."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from preprocessing.storage.urls import open_bucket
from tests.support.inputs import sets
from tests.support.job_process import JobProcess

# Three epochs of about 60 steps, with several checkpoints in each epoch.
SMALL = {
    "model.lstm_units": "[12, 8]",
    "batch_windows": 64,
    "epochs": 3,
    "learning_rate": 0.01,
    "schedule": "cosine",
    "warmup_steps": 5,
    "log_every_steps": 7,
    "block_windows": 2000,
    "sample.chars": 30,
    "sample.prompt_chars": 12,
    "checkpoint.every_seconds": 0.3,
}


def arguments(dataset: object, runs: object, name: str = "small", **changes: Any) -> list[str]:
    """Return the arguments of jobs.train. `__` in the key of a change stands for a dot."""
    changes_by_key = {key.replace("__", "."): value for key, value in changes.items()}
    return ["--run", name, *sets(**SMALL | {"dataset": dataset, "runs": runs} | changes_by_key)]


def start(arguments: Sequence[str], *, log: Path | None = None, job: str = "train", **environment: str) -> JobProcess:
    """Start a job in a separate process. The file `log` gets its output; `finish` returns the output."""
    variables = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"} | environment
    return JobProcess(f"jobs.{job}", arguments, log=log, environment=variables)


def finish(process: JobProcess, *, code: int = 0) -> str:
    """Wait for the process to end with this exit code, and return its output."""
    text = process.output()
    assert process.returncode == code, text
    return text


def wait_until(condition: Callable[[], bool], process: JobProcess) -> None:
    """Wait for a condition while the process runs. Raises AssertionError after two minutes."""
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, "the process ended before the condition held"
        assert time.monotonic() < deadline
        time.sleep(0.005)


def newest(run: object) -> dict[str, Any]:
    """Return the newest entry of checkpoint.json in the run at this URL, or an empty entry."""
    try:
        entry: dict[str, Any] = json.loads(open_bucket(str(run)).read("checkpoint.json"))["checkpoints"][0]
    except FileNotFoundError:
        return {}
    return entry


def saved_step(run: object) -> int:
    return int(newest(run).get("step", 0))


def arrays(run: Path) -> dict[str, np.ndarray]:
    """Read the arrays of the newest checkpoint."""
    return dict(safetensors.numpy.load_file(run / newest(run)["file"]))


def rows(run: Path, kind: str) -> list[dict[str, float]]:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, lines) if row["kind"] == kind]


def outcome(run: object) -> dict[str, str]:
    """Return the SHA-256 of the files that must be equal in two runs: last checkpoint, metrics and samples."""
    folder = open_bucket(str(run))
    names = [newest(run)["file"], "metrics.jsonl", *folder.names("samples/")]
    return {name: hashlib.sha256(folder.read(name)).hexdigest() for name in names}
