"""A contender: this project's training step on a model of lstm_shapes, with windows read from shards.

A turn answers the seconds of the input (order, reading, padding) and of the step. Other requests:

- "matmul": the machine's limit, in operations per second of 2048 x 2048 matrix products, one on each replica at once
- "evaluate": the seconds of a batch's evaluation
- "sample": the seconds of four texts of 400 characters
- "parts": the seconds of each part of a step
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import keras
import numpy as np
import tensorflow as tf

from benchmarks.contender import serve
from benchmarks.lstm_parts import build_parts
from benchmarks.lstm_shapes import SHAPES
from benchmarks.lstm_steps import build_steps
from benchmarks.start import CountingFetcher, write_dataset
from preprocessing.storage.urls import open_bucket
from trainer.data.order import Order
from trainer.data.staging import Staging
from trainer.data.windows import Windows, read_batch
from trainer.model.optimizer import OptimizerName
from trainer.sampling.sampler import build_stepper, continue_prompts, draw_numbers

SIDE = 2048
DIVERSITIES, CHARS = (0.2, 0.4, 0.6, 0.8), 400
TEXTS = len(DIVERSITIES)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", choices=SHAPES, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--optimizer", choices=get_args(OptimizerName), default="adam")
    args = parser.parse_args()
    batch, shape = args.batch, SHAPES[args.model]
    net, _, steps = build_steps(batch, shape.units, args.optimizer)
    dtype = keras.mixed_precision.dtype_policy().compute_dtype
    square = tf.cast(tf.random.normal((SIDE, SIDE)), dtype)
    product = tf.function(lambda: steps.strategy.run(lambda: tf.matmul(square, square)[0, 0]))
    parts = build_parts(net, steps, shape)
    prompts, drawn = np.ones((TEXTS, 1), np.int32), draw_numbers(1, 1, rows=TEXTS, chars=CHARS)
    number = 0

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "dataset")
        manifest, shards = write_dataset(source, 4, window_chars=shape.window_chars)
        fetch = CountingFetcher(open_bucket(str(source))).fetch
        staging = Staging(fetch, Path(folder, "copies"), max_bytes=sum(shard.bytes for shard in shards))
        windows = Windows(shards, manifest, staging.map_shard)
        order = Order(windows.counts, batch_windows=batch, block_windows=2_000_000, seed=1)

        def turn(request: dict[str, Any]) -> dict[str, Any]:
            nonlocal number
            if request.get("matmul"):
                flops = 2 * SIDE**3 * steps.strategy.num_replicas_in_sync
                return {"precision": dtype, "flops": flops / statistics.median(time_products() for _ in range(9))}
            began = time.perf_counter()
            if request.get("evaluate"):
                steps.evaluate(read_batch(windows, order, 0, 0))
                return {"seconds": time.perf_counter() - began}
            if request.get("parts"):
                return {name: time_call(part) for name, part in parts.items()}
            if request.get("sample"):
                continue_prompts(*build_stepper(net, TEXTS), prompts, diversities=DIVERSITIES, drawn=drawn)
                return {"seconds": time.perf_counter() - began}
            windows_batch = read_batch(windows, order, 0, number % (order.steps_per_epoch - 1))
            after_read = time.perf_counter()
            float(steps.train(windows_batch))
            number += 1
            return {"input": after_read - began, "step": time.perf_counter() - after_read, "precision": dtype}

        def time_call(compute: Callable[[], Any]) -> float:
            began = time.perf_counter()
            compute()
            return time.perf_counter() - began

        def time_products() -> float:
            began = time.perf_counter()
            for corner in steps.strategy.experimental_local_results(product()):
                float(corner)
            return time.perf_counter() - began

        serve(turn)


if __name__ == "__main__":
    main()
