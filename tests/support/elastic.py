"""Trains a small run on 1, 2, 4 and 8 replicas, and prints the windows of each step as JSON.

    python -m tests.support.elastic FOLDER

A separate program, because a process configures TensorFlow's virtual devices only once: here eight.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from preprocessing.dataset import records
from preprocessing.dataset.manifest import Manifest, Shard
from preprocessing.errors import Stopped
from preprocessing.storage.urls import open_bucket
from tests.trainer.data.test_windows import MANIFEST
from trainer.data.order import Order
from trainer.data.plan import plan_training
from trainer.data.windows import Windows
from trainer.model import network
from trainer.model.optimizer import build_optimizer
from trainer.model.state import read_carried, restore_state
from trainer.runs.checkpoint_index import Position, Retention
from trainer.runs.checkpoints import Checkpoints
from trainer.runs.metrics import Metrics
from trainer.runtime.stop_agreement import StopAgreement
from trainer.runtime.strategy import mirror_devices
from trainer.training import loop
from trainer.training.evaluation import Evaluation
from trainer.training.saver import Saver
from trainer.training.steps import Steps

REPLICAS, CARRY_WINDOWS = (1, 2, 4, 8), (1, 8)
COUNTS, BATCH_WINDOWS, EPOCHS = (50, 30, 41, 60, 22), 16, 2
SYMBOLS, WINDOW_CHARS = 8, 4  # a window holds its number in the dataset, in base 8


class Crash(BaseException):
    """A simulated kill: no handler catches it, and nothing is saved."""


@dataclass
class Seen:
    """The windows of each replica in the current step, and of each finished step, in order."""

    parts: dict[int, list[int]] = field(default_factory=dict)
    steps: dict[int, list[int]] = field(default_factory=dict)

    def record(self, replica: np.ndarray, ids: np.ndarray, weights: np.ndarray) -> np.int64:
        """Record the windows of a replica. Returns 0, because a TensorFlow function must return a tensor."""
        numbers = ids[:, :-1].astype(np.int64) @ SYMBOLS ** np.arange(WINDOW_CHARS - 1, -1, -1)
        self.parts[int(replica)] = np.where(weights > 0, numbers, -1).tolist()
        return np.int64(0)

    def end_step(self, done: int) -> None:
        """Join the parts of all replicas, in replica order, to the global batch of the step."""
        self.steps[done] = [number for replica in sorted(self.parts) for number in self.parts[replica]]
        self.parts = {}


class ObservedSteps(Steps):
    """Steps that record the windows of each replica, with -1 for a window of weight 0."""

    def __init__(self, *args: Any, seen: Seen, **options: Any) -> None:
        self._record = seen.record
        super().__init__(*args, **options)

    def _train_replica(self, ids: tf.Tensor, weights: tf.Tensor, *rest: Any) -> Any:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        recorded = tf.numpy_function(self._record, [replica, ids, weights], tf.int64)
        with tf.control_dependencies([recorded]):
            return super()._train_replica(tf.identity(ids), weights, *rest)


def build_order(carry: int) -> Order:
    """Return the order of windows in segments of `carry`."""
    return Order(COUNTS, batch_windows=BATCH_WINDOWS, block_windows=60, seed=3, carry_windows=carry)


def dataset() -> tuple[Manifest, list[Shard], Callable[[Shard], np.ndarray]]:
    """Return a manifest, its shards, and a function that returns the bytes of a shard.

    The first L ids of a window [L + 1] are the window's number.
    """
    manifest = Manifest(
        **(vars(MANIFEST) | {"window_chars": WINDOW_CHARS, "record_bytes": records.record_bytes(WINDOW_CHARS + 1)})
    )
    numbers = np.arange(sum(COUNTS))
    digits = np.stack([numbers // SYMBOLS**k % SYMBOLS for k in range(WINDOW_CHARS - 1, -1, -1)], axis=1)
    ids = np.concatenate([digits, digits[:, :1]], axis=1).astype(np.uint8)
    framed = dict(zip("01234", np.split(records.frame(ids), np.cumsum(COUNTS)[:-1]), strict=True))
    shards = [Shard(name, "train", count, 0, "", "") for name, count in zip(framed, COUNTS, strict=True)]
    return manifest, shards, lambda shard: framed[shard.name].reshape(-1)


def train(
    folder: str, replicas: int, *, carry: int, crash_at: int = 0, stop_at: int = 0, starve_at: int = 0
) -> dict[str, Any]:
    """Start or continue the run in the folder, to its end or to a step. A segment has `carry` windows.

    The run crashes after step `crash_at`, and stops after step `stop_at`. After step `starve_at` a stop request comes
    while the run waits for the next step's shards.
    """
    devices = [device.name for device in tf.config.list_logical_devices("CPU")][:replicas]
    strategy, seen = mirror_devices(devices), Seen()
    done, losses, stop_requested = 0, {}, False
    manifest, shards, shard_bytes = dataset()

    def wait_for_shard(shard: Shard, _: Sequence[Shard]) -> np.ndarray:
        nonlocal stop_requested
        if done == starve_at > 0:
            stop_requested = True
            raise Stopped
        return shard_bytes(shard)

    windows = Windows(shards, manifest, wait_for_shard)
    order = build_order(carry)
    keras.utils.set_random_seed(1)
    with strategy.scope():
        net = network.build_lstm(symbols=SYMBOLS, lstm_units=[8], embedding_units=0)
        optimizer = build_optimizer(
            learning_rate=0.01,
            schedule="constant",
            warmup_steps=0,
            steps=1,
            optimizer="muon" if carry > 1 else "adam",
        )
        optimizer.build(net.trainable_variables)

    def step(after: int) -> None:
        nonlocal done
        done = after
        seen.end_step(after)
        if after == crash_at:
            raise Crash

    def row(after: int, *, loss: float, **_: object) -> None:
        losses[after] = loss

    progress: Any = SimpleNamespace(end_step=step, end_row=row)
    with tempfile.TemporaryDirectory() as scratch:
        bucket = open_bucket(folder)
        checkpoints = Checkpoints(bucket, retention=Retention(2), scratch=Path(scratch))
        steps = ObservedSteps(
            *(strategy, net, optimizer),
            objective="every",
            clip_norm=1.0,
            batch_windows=BATCH_WINDOWS,
            agreement=StopAgreement(strategy, lambda: stop_requested or done == stop_at > 0),
            carry=carry > 1,
            seen=seen,
        )
        position = Position()
        if restored := checkpoints.restore():
            position, arrays = restored
            restore_state(arrays, net, optimizer)
            steps.state = read_carried(arrays, steps.state)
        start = position.step
        metrics = Metrics(bucket, step=start, scratch=Path(scratch))
        with suppress(Crash, Stopped):
            loop.Loop(
                plan=plan_training(order.steps_per_epoch, epochs=EPOCHS, max_chars=0, chars_per_step=1),
                order=order,
                windows=windows,
                steps=steps,
                saver=Saver(bucket, checkpoints, metrics, give_up_seconds=60),
                metrics=metrics,
                progress=progress,
                validate=lambda: Evaluation(loss=0.0, chars=1),
                write_samples=lambda *_: {},
                log_every_steps=1,
                checkpoint_every_seconds=9999,
                start=position,
            ).run()
    return {"replicas": replicas, "start": start, "windows": seen.steps, "losses": losses}


def main() -> None:
    devices = [tf.config.LogicalDeviceConfiguration()] * max(REPLICAS)
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
    found = {}
    for carry in CARRY_WINDOWS:
        folder = f"{sys.argv[1]}/{carry}"
        undisturbed = [train(f"{folder}/{replicas}", replicas, carry=carry) for replicas in REPLICAS]
        moved = [
            train(f"{folder}/moved", 4, carry=carry, stop_at=5),
            train(f"{folder}/moved", 2, carry=carry, crash_at=9),
            train(f"{folder}/moved", 2, carry=carry, starve_at=11),
            train(f"{folder}/moved", 1, carry=carry, crash_at=20),
            train(f"{folder}/moved", 1, carry=carry),
        ]
        found[carry] = {"undisturbed": undisturbed, "moved": moved}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
