"""The parts of this project's training step, each computed alone on random values, on all replicas at once."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from benchmarks.lstm_shapes import SYMBOLS, Shape
from trainer.model.network import LOGITS, character_losses, lstm_layers
from trainer.model.product import multiply, store
from trainer.training.steps import Steps

LAYERS, CELLS, REST = "LSTM layers", "cells and loops", "the rest"
PRODUCTS = ("input products", "recurrent products", "weight gradients")


def build_parts(net: keras.Model, steps: Steps, shape: Shape) -> Mapping[str, Callable[[], Any]]:
    """Return a function for each part of a step of the model. Each call computes the part on all replicas."""
    dtype = keras.mixed_precision.dtype_policy().compute_dtype
    chars, rows = shape.window_chars, steps.batch_windows // steps.strategy.num_replicas_in_sync
    sizes = list(zip((SYMBOLS, *shape.units[:-1]), shape.units, strict=True))

    def values(*size: int) -> tf.Tensor:
        return tf.cast(tf.random.normal(size), dtype)

    inputs = [values(chars, rows, below) for below, _ in sizes]
    outputs = [values(chars, rows, units) for _, units in sizes]
    gates = [values(chars, rows, 4 * units) for _, units in sizes]
    ids = tf.random.uniform((rows, chars + 1), maxval=SYMBOLS, dtype=tf.int32)

    def run_layers() -> list[Any]:
        gradients = []
        for number, layer in enumerate(lstm_layers(net)):
            with tf.GradientTape() as tape:
                tape.watch(inputs[number])
                hidden, _ = layer.run(inputs[number], None, training=True)
                loss = tf.reduce_sum(tf.cast(hidden, tf.float32))
            # The first layer's input is one-hot: it needs no gradient.
            gradients.append(tape.gradient(loss, [*layer.trainable_variables, *inputs[number : number + 1][:number]]))
        return gradients

    def multiply_inputs() -> list[tf.Tensor]:
        forward = [
            _rows(x) @ tf.cast(layer.cell.kernel, dtype) for x, layer in zip(inputs, lstm_layers(net), strict=True)
        ]
        upper = zip(gates[1:], lstm_layers(net)[1:], strict=True)
        return [
            *forward,
            *(tf.matmul(_rows(d), tf.cast(layer.cell.kernel, dtype), transpose_b=True) for d, layer in upper),
        ]

    def multiply_states() -> list[tf.Tensor]:
        last = []
        for number, layer in enumerate(lstm_layers(net)):
            recurrent = tf.cast(layer.cell.recurrent_kernel, dtype)
            last += [
                _multiply_steps(outputs[number], recurrent),
                _multiply_steps(gates[number], tf.transpose(recurrent)),
            ]
        return last

    def multiply_gradients() -> list[tf.Tensor]:
        below = [*zip(inputs, gates, strict=True), *zip(outputs, gates, strict=True)]
        return [tf.matmul(_rows(x), _rows(d), transpose_a=True) for x, d in below]

    def run_logits() -> Any:
        dense = net.get_layer(LOGITS)
        with tf.GradientTape() as tape:
            tape.watch(outputs[-1])
            logits = tf.transpose(dense(outputs[-1]), (1, 0, 2))
            loss = tf.reduce_mean(character_losses(logits, ids, "every"))
        return tape.gradient(loss, [outputs[-1], *dense.trainable_variables])

    def run_optimizer() -> list[tf.Tensor]:
        clipped, norm = tf.clip_by_global_norm([variable * 1e-3 for variable in net.trainable_variables], 1.0)
        steps.optimizer.apply(clipped, net.trainable_variables)
        return [norm]

    functions: Sequence[Callable[[], Any]] = (multiply_inputs, multiply_states, multiply_gradients)
    parts = dict(zip(PRODUCTS, functions, strict=True))
    parts |= {LAYERS: run_layers, "logits and loss": run_logits, "optimizer": run_optimizer}
    return {name: _on_replicas(steps.strategy, part) for name, part in parts.items()}


def list_shares(seconds: Mapping[str, float], step: float) -> dict[str, float]:
    """Return each part's share of a step, from the seconds of each part and of the step. What is left has two names."""
    inner = {name: seconds[name] for name in PRODUCTS}
    outer = {name: value for name, value in seconds.items() if name not in (*PRODUCTS, LAYERS)}
    cells = {CELLS: seconds[LAYERS] - sum(inner.values())}
    rest = {REST: step - seconds[LAYERS] - sum(outer.values())}
    return {name: value / step for name, value in (inner | cells | outer | rest).items()}


def _multiply_steps(values: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """Compute values [L, B, N] @ matrix [N, M], one step after another. Return the last product."""
    stored = store(matrix)
    product = tf.zeros([values.shape[1], matrix.shape[1]], values.dtype)
    return tf.while_loop(
        lambda t, _: t < values.shape[0], lambda t, _: (t + 1, multiply(values[t], stored)), (0, product)
    )[1]


def _on_replicas(strategy: tf.distribute.Strategy, part: Callable[[], Any]) -> Callable[[], Any]:
    compiled = tf.function(lambda: strategy.run(part))

    def compute() -> None:
        for tensor in tf.nest.flatten(compiled()):
            for local in strategy.experimental_local_results(tensor):
                local.numpy()

    return compute


def _rows(values: tf.Tensor) -> tf.Tensor:
    """Return [L, B, N] reshaped to [L * B, N]."""
    return tf.reshape(values, [-1, values.shape[-1]])
