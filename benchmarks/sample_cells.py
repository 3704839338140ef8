"""A contender: Keras' own LSTM cells, stepped in a `tf.function` with all texts as one batch, TensorFlow draws."""

import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.contender import serve
from benchmarks.lstm_shapes import SYMBOLS
from benchmarks.sample_shapes import DIVERSITY, arguments
from trainer.runtime.devices import set_up


def main() -> None:
    asked = arguments()
    set_up("auto", seed=1)
    compute = keras.mixed_precision.dtype_policy().compute_dtype
    cells = [keras.layers.LSTMCell(units) for units in asked.units]
    dense = keras.layers.Dense(SYMBOLS, dtype="float32")
    for layer, width in zip([*cells, dense], [SYMBOLS, *asked.units], strict=True):
        layer.build((asked.rows, width))

    @tf.function
    def step(ids: tf.Tensor, state: Any) -> tuple[tf.Tensor, Any]:
        hidden, after = tf.one_hot(ids, SYMBOLS, dtype=compute), []
        for cell, before in zip(cells, state, strict=True):
            hidden, held = cell(hidden, before)
            after.append(held)
        return tf.random.categorical(dense(hidden) / DIVERSITY, 1)[:, 0], after

    def turn(said: dict[str, Any]) -> dict[str, Any]:
        began = time.perf_counter()
        ids = tf.ones(asked.rows, tf.int64)
        state = [cell.get_initial_state(batch_size=asked.rows) for cell in cells]
        found = np.empty((asked.rows, int(said["chars"])), np.int64)
        for position in range(found.shape[1]):
            ids, state = step(ids, state)
            found[:, position] = ids.numpy()  # to show it, or to end there
        return {"seconds": time.perf_counter() - began, "chars": found.size, "precision": compute}

    serve(turn)


if __name__ == "__main__":
    main()
