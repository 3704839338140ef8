"""A contender: the seed script's training step, Keras' `fit` in float32. It predicts only a window's last character."""

import argparse
import time
from typing import Any

import keras
import numpy as np

from benchmarks.contender import serve
from benchmarks.lstm_shapes import SYMBOLS, UNITS, WINDOW_CHARS


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, required=True)
    batch = parser.parse_args().batch
    layers: list[Any] = [keras.Input((WINDOW_CHARS, SYMBOLS))]
    layers += [keras.layers.LSTM(UNITS[0], return_sequences=True), keras.layers.LSTM(UNITS[1])]
    net = keras.Sequential([*layers, keras.layers.Dense(SYMBOLS, activation="softmax")])
    net.compile(loss="categorical_crossentropy", optimizer=keras.optimizers.Adam(0.002))
    ids = np.random.default_rng(1).integers(0, SYMBOLS, (batch, WINDOW_CHARS + 1))
    one_hot = np.eye(SYMBOLS, dtype=bool)[ids]

    def turn(_: dict[str, Any]) -> dict[str, Any]:
        began = time.perf_counter()
        net.fit(one_hot[:, :-1], one_hot[:, -1], batch_size=batch, verbose=0)
        return {"input": 0.0, "step": time.perf_counter() - began, "precision": "float32"}

    serve(turn)


if __name__ == "__main__":
    main()
