"""A contender: this project's sampling, as in jobs.sample, with precision `auto`."""

import time
from typing import Any

import keras

from benchmarks.contender import serve
from benchmarks.lstm_shapes import SYMBOLS
from benchmarks.sample_shapes import DIVERSITY, parse_arguments
from trainer.model import network
from trainer.runtime.devices import configure_devices
from trainer.sampling.generate import generate_samples


def main() -> None:
    args = parse_arguments()
    layers = configure_devices("auto", seed=1)
    net = network.build_lstm(symbols=SYMBOLS, lstm_units=args.units, embedding_units=0, layers=layers)

    def turn(request: dict[str, Any]) -> dict[str, Any]:
        chars, began = int(request["chars"]), time.perf_counter()
        count = sum(1 for _ in generate_samples(net, [1], [DIVERSITY] * args.rows, chars=chars, seed=1))
        policy = keras.mixed_precision.dtype_policy()
        return {"seconds": time.perf_counter() - began, "chars": count, "precision": policy.compute_dtype}

    serve(turn)


if __name__ == "__main__":
    main()
