"""This project's training step for the models of lstm_shapes, for benchmarks."""

from collections.abc import Sequence
from typing import Any

import keras

from benchmarks.lstm_shapes import SYMBOLS, UNITS
from trainer.model import network
from trainer.model.optimizer import OptimizerName, build_optimizer
from trainer.runtime.devices import configure_devices
from trainer.runtime.stop_agreement import StopAgreement
from trainer.runtime.strategy import create_strategy
from trainer.training.steps import Steps


def build_steps(
    batch_windows: int, units: Sequence[int] = UNITS, optimizer: OptimizerName = "adam"
) -> tuple[keras.Model, Any, Steps]:
    """Build the model, its optimizer and its steps, with precision `auto`."""
    strategy = create_strategy(cpu_replicas=2, batch_windows=batch_windows)
    layers = configure_devices("auto", seed=1)
    with strategy.scope():
        net = network.build_lstm(symbols=SYMBOLS, lstm_units=units, embedding_units=0, layers=layers)
        built = build_optimizer(learning_rate=0.002, schedule="constant", warmup_steps=0, steps=1, optimizer=optimizer)
        built.build(net.trainable_variables)
    agreement = StopAgreement(strategy)
    steps = Steps(
        *(strategy, net, built), objective="every", clip_norm=5.0, batch_windows=batch_windows, agreement=agreement
    )
    return net, built, steps
