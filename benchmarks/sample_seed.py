"""A contender: the seed script's sampling, `predict` of the whole window for each character, in float32."""

import time
from typing import Any

import keras
import numpy as np

from benchmarks.contender import serve
from benchmarks.lstm_shapes import SYMBOLS, WINDOW_CHARS
from benchmarks.sample_shapes import DIVERSITY, parse_arguments


def main() -> None:
    args = parse_arguments()
    layers: list[Any] = [keras.Input((WINDOW_CHARS, SYMBOLS))]
    layers += [keras.layers.LSTM(units, return_sequences=True) for units in args.units[:-1]]
    layers += [keras.layers.LSTM(args.units[-1]), keras.layers.Dense(SYMBOLS, activation="softmax")]
    net = keras.Sequential(layers)
    random = np.random.default_rng(1)
    ids = random.integers(0, SYMBOLS, (args.rows, WINDOW_CHARS))

    def turn(request: dict[str, Any]) -> dict[str, Any]:
        nonlocal ids
        began = time.perf_counter()
        for _ in range(int(request["chars"])):
            scaled = np.log(net.predict(np.eye(SYMBOLS, dtype=bool)[ids], verbose=0).astype(np.float64)) / DIVERSITY
            weights = np.exp(scaled)
            chosen = [random.choice(SYMBOLS, p=row / row.sum()) for row in weights]
            ids = np.concatenate([ids[:, 1:], np.array(chosen)[:, None]], axis=1)
        chars = args.rows * int(request["chars"])
        return {"seconds": time.perf_counter() - began, "chars": chars, "precision": "float32"}

    serve(turn)


if __name__ == "__main__":
    main()
