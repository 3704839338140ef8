"""The cost of a checkpoint of the seed script's model, saved to a Cloud Storage emulator with 50 ms latency.

    python -m benchmarks.checkpoint [--rounds 4] [--batch 128]

Each round times three steps alone, starts a checkpoint, and times steps until the checkpoint is saved. The stall is the
time that the training thread waits while weights and optimizer are copied. The slowdown is the extra time of the steps
beside the checkpoint, because the same cores hash and send it. Both are also printed as a share of 60 s, the interval
between checkpoints.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.lstm_shapes import SYMBOLS, WINDOW_CHARS
from benchmarks.lstm_steps import build_steps
from preprocessing.storage.urls import open_bucket
from trainer.data.windows import Batch
from trainer.model.state import copy_state
from trainer.runs.checkpoint_index import Position, Retention
from trainer.runs.checkpoints import Checkpoints, Snapshot
from trainer.runs.metrics import Metrics
from trainer.training.saver import Saver

LATENCY_SECONDS, INTERVAL_SECONDS = 0.05, 60.0


def emulator() -> "tuple[subprocess.Popen[bytes], str]":
    """Start the emulator in a separate process, so that its work is not measured. Returns the process and its URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--host", "127.0.0.1", "--port", str(port), "--bucket", "bench", "--latency-seconds"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.gcs_emulator", *options, str(LATENCY_SECONDS)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout
    process.stdout.readline()
    return process, f"http://127.0.0.1:{port}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--batch", type=int, default=128)
    args = parser.parse_args()
    net, adam, steps = build_steps(args.batch)
    ids = np.random.default_rng(1).integers(0, SYMBOLS, (args.batch, WINDOW_CHARS + 1)).astype(np.uint8)
    batch = Batch(ids, np.ones(args.batch, np.float32))

    def step() -> float:
        began = time.perf_counter()
        float(steps.train(batch))
        return time.perf_counter() - began

    process, address = emulator()
    try:
        os.environ["STORAGE_EMULATOR_HOST"] = address
        bucket = open_bucket("gs://bench/run")
        with tempfile.TemporaryDirectory() as folder:
            scratch = Path(folder)
            checkpoints = Checkpoints(bucket, retention=Retention(2), scratch=scratch)
            saver = Saver(bucket, checkpoints, Metrics(bucket, step=0, scratch=scratch), give_up_seconds=600)
            step()
            stalls, slowdowns = [], []
            for number in range(1, args.rounds + 1):
                alone = statistics.median(step() for _ in range(3))
                began = time.perf_counter()
                arrays = copy_state(net, adam)
                saver.save(Snapshot(Position(step=number, epoch=1), arrays))
                stall = time.perf_counter() - began
                beside = []
                while saver.busy:
                    beside.append(step())
                saved_seconds = time.perf_counter() - began
                saver.check()
                assert saver.has_saved(number)
                slowdown = sum(beside) - alone * len(beside)
                megabytes = sum(array.nbytes for array in arrays.values()) / 1e6
                stalls.append(stall)
                slowdowns.append(slowdown)
                print(
                    f"checkpoint {number}: {megabytes:.0f} MB, stall {stall * 1e3:.0f} ms; {len(beside)} steps beside "
                    f"it took {slowdown:+.2f} s more than {alone:.2f} s each; it stood within {saved_seconds:.1f} s",
                    flush=True,
                )
            for name, seconds in (("stall", stalls), ("stall and slowdown", np.add(stalls, slowdowns).tolist())):
                median = statistics.median(seconds)
                print(f"{name}: {median:.2f} s, {median / INTERVAL_SECONDS:.2%} of {INTERVAL_SECONDS:.0f} s")
    finally:
        process.kill()


if __name__ == "__main__":
    main()
