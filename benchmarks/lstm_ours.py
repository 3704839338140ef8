"""A contender: this project's step on the seed's model, windows read from shards as in training.

A turn answers the seconds of input (order, reading, filling up) and of the step. Asked for "matmul" it tells the
machine's limit, operations a second of a product of two 2048 x 2048 matrices in the same precision; for "evaluate" or
"sample" the seconds of a batch's evaluation, and of four texts of 400 characters.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.contender import serve
from benchmarks.lstm_steps import seed_steps
from benchmarks.start import Copies, dataset
from preprocessing.storage.urls import open_bucket
from trainer.data.order import Order
from trainer.data.staging import Staging
from trainer.data.windows import Batch, Windows, fill_up
from trainer.sampling.sampler import continue_prompts, draws, stepper

SIDE = 2048
DIVERSITIES, CHARS = (0.2, 0.4, 0.6, 0.8), 400
TEXTS = len(DIVERSITIES)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--batch", type=int, required=True)
    batch = arguments.parse_args().batch
    net, _, steps = seed_steps(batch)
    kind = keras.mixed_precision.dtype_policy().compute_dtype
    square = tf.cast(tf.random.normal((SIDE, SIDE)), kind)
    product = tf.function(lambda: tf.matmul(square, square)[0, 0])
    prompts, drawn = np.ones((TEXTS, 1), np.int32), draws(1, 1, rows=TEXTS, chars=CHARS)
    number = 0

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "dataset")
        manifest, shards = dataset(source, 4)
        fetch = Copies(open_bucket(str(source))).fetch
        staging = Staging(fetch, Path(folder, "copies"), max_bytes=sum(shard.bytes for shard in shards))
        windows = Windows(shards, manifest, staging.mapped)
        order = Order(windows.counts, batch_windows=batch, block_windows=2_000_000, seed=1)

        def filled(at: int) -> Batch:
            return fill_up(windows.read(*order.batch(0, at), order.ahead(0, at)), batch)

        def turn(asked: dict[str, Any]) -> dict[str, Any]:
            nonlocal number
            if asked.get("matmul"):
                return {"precision": kind, "flops": 2 * SIDE**3 / statistics.median(timed() for _ in range(9))}
            began = time.perf_counter()
            if asked.get("evaluate"):
                steps.evaluate(filled(0))
                return {"seconds": time.perf_counter() - began}
            if asked.get("sample"):
                continue_prompts(*stepper(net, TEXTS), prompts, diversities=DIVERSITIES, drawn=drawn)
                return {"seconds": time.perf_counter() - began}
            at = number % (order.steps_per_epoch - 1)
            taken = filled(at)
            read = time.perf_counter()
            float(steps.train(taken))
            number += 1
            return {"input": read - began, "step": time.perf_counter() - read, "precision": kind}

        def timed() -> float:
            began = time.perf_counter()
            float(product())
            return time.perf_counter() - began

        serve(turn)


if __name__ == "__main__":
    main()
