"""Text from a model, a character at a time, with the LSTM's state carried along."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer.model import LOGITS, lstm_layers
from trainer.order import uniform
from trainer.stop import Stopped

State = Any
# ids [B] int32 and the state before them -> logits [B, V] float32 of the next character and the state after.
Step = Callable[[npt.NDArray[np.int32], State], tuple[npt.NDArray[np.float32], State]]


def draws(seed: int, epoch: int, *, rows: int, chars: int) -> npt.NDArray[np.float64]:
    """Numbers [rows, chars] in [0, 1) that decide the samples; a row's do not depend on the rows beside it."""
    return np.stack([uniform((seed, epoch, row), chars) for row in range(rows)])


def choose(
    logits: npt.NDArray[np.float32], diversities: npt.NDArray[np.float64], drawn: npt.NDArray[np.float64]
) -> npt.NDArray[np.int32]:
    """One id for each row of logits [B, V], from softmax(logits / diversity); at diversity 0 the likeliest.

    The id is the first whose cumulated probability exceeds the row's number in [0, 1).
    """
    shifted = (logits - logits.max(axis=1, keepdims=True)).astype(np.float64)
    with np.errstate(over="ignore"):  # a tiny diversity: all but the likeliest at exp(-inf)
        scaled = shifted / np.where(diversities == 0, 1.0, diversities)[:, None]
    cumulated = np.exp(scaled).cumsum(axis=1)
    sampled = (cumulated <= drawn[:, None] * cumulated[:, -1:]).sum(axis=1)
    return np.where(diversities == 0, logits.argmax(axis=1), sampled).astype(np.int32)


def generate(
    step: Step,
    state: State,
    prompts: npt.NDArray[np.integer],
    *,
    diversities: Sequence[float],
    drawn: npt.NDArray[np.float64],
    should_stop: Callable[[], bool] = lambda: False,
) -> npt.NDArray[np.int32]:
    """Ids [B, N] that continue prompts [B, P], P at least 1; drawn [B, N]. Raises Stopped if asked to stop."""
    temperatures = np.asarray(diversities, np.float64)
    for position in range(prompts.shape[1]):
        logits, state = step(prompts[:, position].astype(np.int32), state)
    chosen = np.empty(drawn.shape, np.int32)
    for position in range(drawn.shape[1]):
        if should_stop():
            raise Stopped
        chosen[:, position] = choose(logits, temperatures, drawn[:, position])
        logits, state = step(chosen[:, position], state)
    return chosen


def stepper(model: keras.Model, rows: int) -> tuple[Step, State]:
    """The model as a Step for B = rows, and its state before the first character."""
    layers = lstm_layers(model)
    names = [layer.name for layer in model.layers]
    embedding = model.get_layer("embedding") if "embedding" in names else None
    logits, symbols = model.get_layer(LOGITS), model.output_shape[-1]
    kinds = [layer.compute_dtype for layer in layers]
    state = [[tf.zeros((rows, layer.units), kind) for _ in range(2)] for layer, kind in zip(layers, kinds, strict=True)]

    @tf.function
    def compiled(ids: tf.Tensor, before: list[list[tf.Tensor]]) -> tuple[tf.Tensor, list[list[tf.Tensor]]]:
        hidden = embedding(ids) if embedding else tf.one_hot(ids, symbols, dtype=kinds[0])
        after = []
        for layer, held in zip(layers, before, strict=True):
            hidden, held = layer.cell(hidden, held)
            after.append(list(held))
        return logits(hidden), after

    def step(ids: npt.NDArray[np.int32], before: State) -> tuple[npt.NDArray[np.float32], State]:
        scores, after = compiled(tf.constant(ids), before)
        return scores.numpy(), after

    return step, state
