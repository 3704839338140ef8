"""A contender: this project's texts, as jobs.sample makes them, with the precision that `auto` picks."""

import time
from typing import Any

import keras

from benchmarks.contender import serve
from benchmarks.lstm_shapes import SYMBOLS
from benchmarks.sample_shapes import DIVERSITY, arguments
from trainer.model import network
from trainer.runtime.devices import set_up
from trainer.sampling.generate import generate_samples


def main() -> None:
    asked = arguments()
    cudnn = set_up("auto", seed=1)
    net = network.build_lstm(symbols=SYMBOLS, lstm_units=asked.units, embedding_units=0, cudnn=cudnn)

    def turn(said: dict[str, Any]) -> dict[str, Any]:
        chars, began = int(said["chars"]), time.perf_counter()
        made = sum(1 for _ in generate_samples(net, [1], [DIVERSITY] * asked.rows, chars=chars, seed=1))
        policy = keras.mixed_precision.dtype_policy()
        return {"seconds": time.perf_counter() - began, "chars": made, "precision": policy.compute_dtype}

    serve(turn)


if __name__ == "__main__":
    main()
