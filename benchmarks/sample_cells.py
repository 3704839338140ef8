"""A contender: Keras' LSTM cells in a `tf.function`, with all texts as one batch and TensorFlow's random numbers."""

import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.contender import serve
from benchmarks.lstm_shapes import SYMBOLS
from benchmarks.sample_shapes import DIVERSITY, parse_arguments
from trainer.runtime.devices import configure_devices


def main() -> None:
    args = parse_arguments()
    configure_devices("auto", seed=1)
    compute = keras.mixed_precision.dtype_policy().compute_dtype
    cells = [keras.layers.LSTMCell(units) for units in args.units]
    dense = keras.layers.Dense(SYMBOLS, dtype="float32")
    for layer, width in zip([*cells, dense], [SYMBOLS, *args.units], strict=True):
        layer.build((args.rows, width))

    @tf.function
    def step(ids: tf.Tensor, state: Any) -> tuple[tf.Tensor, Any]:
        hidden, after = tf.one_hot(ids, SYMBOLS, dtype=compute), []
        for cell, before in zip(cells, state, strict=True):
            hidden, cell_state = cell(hidden, before)
            after.append(cell_state)
        return tf.random.categorical(dense(hidden) / DIVERSITY, 1)[:, 0], after

    def turn(request: dict[str, Any]) -> dict[str, Any]:
        began = time.perf_counter()
        ids = tf.ones(args.rows, tf.int64)
        state = [cell.get_initial_state(batch_size=args.rows) for cell in cells]
        sampled = np.empty((args.rows, int(request["chars"])), np.int64)
        for position in range(sampled.shape[1]):
            ids, state = step(ids, state)
            sampled[:, position] = ids.numpy()  # a caller prints each character, and may stop
        return {"seconds": time.perf_counter() - began, "chars": sampled.size, "precision": compute}

    serve(turn)


if __name__ == "__main__":
    main()
