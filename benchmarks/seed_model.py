"""Characters a second on the seed script's model: LSTM 1024 -> 512, 61 symbols, windows of 256, Adam 0.002.

    python -m benchmarks.seed_model [--rounds 3] [--batch 128]

The peer is what the seed script does: one-hot windows, `model.fit` in float32, and only the character after
each window predicted. Beside it this project's step with the same objective (`last`) and with its own
(`every`), in the precision that `auto` picks. All three run in turn in each round; the medians are printed,
and the ratio to the peer. A predicted character is one that a loss is computed for; a read one is a
position that the LSTMs run over, 256 a window for all three.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from jobs.start import replicas, set_up
from trainer import model
from trainer.agreement import Agreement
from trainer.data import Batch
from trainer.steps import Steps

SYMBOLS, WINDOW_CHARS, UNITS = 61, 256, (1024, 512)


def peer(ids: np.ndarray) -> Callable[[], object]:
    """One `model.fit` batch as the seed script trains."""
    keras.mixed_precision.set_global_policy("float32")
    layers: list[Any] = [keras.Input((WINDOW_CHARS, SYMBOLS))]
    layers += [keras.layers.LSTM(UNITS[0], return_sequences=True), keras.layers.LSTM(UNITS[1])]
    net = keras.Sequential([*layers, keras.layers.Dense(SYMBOLS, activation="softmax")])
    net.compile(loss="categorical_crossentropy", optimizer=keras.optimizers.Adam(0.002))
    one_hot = np.eye(SYMBOLS, dtype=bool)[ids]
    return lambda: net.fit(one_hot[:, :-1], one_hot[:, -1], batch_size=len(ids), verbose=0)


def ours(ids: np.ndarray, objective: str) -> Callable[[], object]:
    """One step of this project."""
    strategy = replicas()
    cudnn = set_up("auto", seed=1)
    with strategy.scope():
        net = model.build(symbols=SYMBOLS, lstm_units=UNITS, embedding_units=0, cudnn=cudnn)
        adam = model.optimizer(learning_rate=0.002, schedule="constant", warmup_steps=0, steps=1)
        adam.build(net.trainable_variables)
    steps = Steps(
        strategy, net, adam, objective=objective, clip_norm=5.0, batch_windows=len(ids), agreement=Agreement(strategy)
    )
    batch = Batch(ids, np.ones(len(ids), np.float32))
    return lambda: float(steps.train(batch))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--batch", type=int, default=128)
    asked = arguments.parse_args()
    ids = np.random.default_rng(1).integers(0, SYMBOLS, (asked.batch, WINDOW_CHARS + 1)).astype(np.uint8)
    predicted = {"seed script": 1, "ours, objective last": 1, "ours, objective every": WINDOW_CHARS}
    makers = [lambda: peer(ids), lambda: ours(ids, "last"), lambda: ours(ids, "every")]
    programs = dict(zip(predicted, (make() for make in makers), strict=True))
    for run in programs.values():
        run()  # compiles
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for number in range(asked.rounds):
        for name, run in programs.items():
            began = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - began)
        print(f"round {number + 1}: " + ", ".join(f"{name} {seconds[name][-1]:.2f} s" for name in programs), flush=True)
    base = statistics.median(seconds["seed script"])
    for name, found in seconds.items():
        middle = statistics.median(found)
        print(
            f"{name:<22} {asked.batch * predicted[name] / middle:10.1f} predicted characters/s "
            f"({asked.batch * WINDOW_CHARS / middle:7.0f} read), a step {base / middle:.2f} times as fast"
        )


if __name__ == "__main__":
    main()
