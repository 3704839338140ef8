"""A sampling step: the model as a step function with its LSTM state, random numbers, and the choice of a symbol."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from preprocessing.errors import Stopped
from trainer.data.hashing import uniform
from trainer.model.network import inference_weights
from trainer.model.product import multiply, store
from trainer.sampling.truncation import NO_TRUNCATION, Truncation

GROUP_ROWS = 8
State = Any
# The weights of trainer.model.network.inference_weights, with both kernels of a layer joined and stored as one.
Weights = tuple[tf.Tensor, list[tuple[tf.Tensor, tf.Tensor]], tuple[tf.Tensor, tf.Tensor]]
# ids [B] int32 and the state before them -> logits [B, V] float32 of the next character, and the state after them.
Step = Callable[[npt.NDArray[np.int32], State], tuple[npt.NDArray[np.float32], State]]


def draw_numbers(seed: int, epoch: int, *, rows: int, chars: int, first: int = 0) -> npt.NDArray[np.float64]:
    """Return random numbers [rows, chars] in [0, 1) for the samples from row `first` on.

    A row's numbers depend on the seed, the epoch and the row's number alone.
    """
    return np.stack([uniform((seed, epoch, row), chars) for row in range(first, first + rows)])


def choose(
    logits: npt.NDArray[np.float32],
    diversities: npt.NDArray[np.float64],
    drawn: npt.NDArray[np.float64],
    truncation: Truncation = NO_TRUNCATION,
) -> npt.NDArray[np.int32]:
    """Choose an id for each row of logits [B, V] from softmax(logits / diversity). Diversity 0 takes the likeliest id.

    The chosen id is the first whose cumulated probability, after `truncation`, exceeds the row's number in drawn [B].
    trainer/export/saved_model.py has a copy of this rule in a TensorFlow graph: change both.
    """
    shifted = (logits - logits.max(axis=1, keepdims=True)).astype(np.float64)
    with np.errstate(over="ignore"):  # a tiny diversity gives -inf, and probability 0, to all but the likeliest
        scaled = shifted / np.where(diversities == 0, 1.0, diversities)[:, None]
    cumulated = truncation.apply(np.exp(scaled)).cumsum(axis=1)
    sampled = (cumulated <= drawn[:, None] * cumulated[:, -1:]).sum(axis=1)
    return np.where(diversities == 0, logits.argmax(axis=1), sampled).astype(np.int32)


def continue_prompts(
    step: Step,
    state: State,
    prompts: npt.NDArray[np.integer],
    *,
    diversities: Sequence[float],
    drawn: npt.NDArray[np.float64],
    should_stop: Callable[[], bool] = lambda: False,
) -> npt.NDArray[np.int32]:
    """Return ids [B, N] that continue prompts [B, P], P at least 1. The random numbers drawn [B, N] decide them.

    Raises Stopped as soon as `should_stop` returns true.
    """
    temperatures = np.asarray(diversities, np.float64)
    for position in range(prompts.shape[1]):
        if should_stop():
            raise Stopped
        logits, state = step(prompts[:, position].astype(np.int32), state)
    chosen = np.empty(drawn.shape, np.int32)
    for position in range(drawn.shape[1]):
        if should_stop():
            raise Stopped
        chosen[:, position] = choose(logits, temperatures, drawn[:, position])
        logits, state = step(chosen[:, position], state)
    return chosen


def build_stepper(model: keras.Model, rows: int) -> tuple[Step, State]:
    """Return the model, with its current weights, as a Step, and the state of `rows` rows before the first character.

    The bits of a row depend on its number and its own characters alone, not on the other rows. A matrix product may
    round a row differently by the product's shape and by the row's position: with AVX2 a kernel takes eight rows as
    six and two. So row n always stands at position n % GROUP_ROWS of a group, and a group always has GROUP_ROWS rows.
    A state is the list of the groups' states.
    """
    weights = step_weights(model)
    table, layers, _ = weights
    widths = [bias.shape[0] // 4 for _, bias in layers]
    state = [[tf.zeros((GROUP_ROWS, width), table.dtype), tf.zeros((GROUP_ROWS, width))] for width in widths]

    def step(ids: npt.NDArray[np.int32], before: State) -> tuple[npt.NDArray[np.float32], State]:
        padded = np.zeros((len(before), GROUP_ROWS), np.int32)
        padded.reshape(-1)[: len(ids)] = ids
        logits, after = _next_of_groups(weights, tf.constant(padded), before)
        return logits.numpy()[: len(ids)], after

    return step, [state] * -(-rows // GROUP_ROWS)


def replace_rows(source: State, state: State, rows: npt.NDArray[np.bool_]) -> State:
    """Return `state` with the rows [B] that are true replaced by the rows of `source`, a state of the same Step."""
    padded = np.zeros((len(state), GROUP_ROWS, 1), bool)
    padded.reshape(-1)[: len(rows)] = rows
    return [
        tf.nest.map_structure(lambda new, old, mask=mask: tf.where(mask, new, old), source_group, group)
        if mask.any()
        else group
        for mask, source_group, group in zip(padded, source, state, strict=True)
    ]


def step_weights(model: keras.Model) -> Weights:
    """Return a model's weights as `next_logits` takes them. A step does little more than read them."""
    table, layers, logits = inference_weights(model)
    gates = []
    for kernel, recurrent, bias in layers:
        below = [] if kernel is None else [kernel]
        gates.append((store(tf.concat([*below, recurrent], axis=0)), bias))  # from [inputs, hidden] to the gates
    return table, gates, logits


@tf.function
def _next_of_groups(weights: Weights, ids: tf.Tensor, before: State) -> tuple[tf.Tensor, State]:
    """Apply `next_logits` to each group of ids [G, GROUP_ROWS]. One call costs less, and groups share the cores."""
    results = [next_logits(weights, group, state) for group, state in zip(tf.unstack(ids), before, strict=True)]
    return tf.concat([logits for logits, _ in results], axis=0), [after for _, after in results]


@tf.function
def next_logits(
    weights: Weights, ids: tf.Tensor, before: list[list[tf.Tensor]]
) -> tuple[tf.Tensor, list[list[tf.Tensor]]]:
    """Return logits [B, V] float32 after ids [B], and each layer's [hidden, carry], [B, H] each, after them."""
    table, layers, (logits_kernel, logits_bias) = weights
    below, after = None, []
    for (kernel, bias), (hidden, carry) in zip(layers, before, strict=True):
        inputs = hidden if below is None else tf.concat([below, hidden], axis=1)
        gates = tf.cast(multiply(inputs, kernel), tf.float32) + bias
        if below is None:
            gates += tf.cast(tf.gather(table, ids), tf.float32)
        i, f, g, o = tf.split(gates, 4, axis=1)
        carry = tf.sigmoid(f) * carry + tf.sigmoid(i) * tf.tanh(g)
        below = tf.cast(tf.sigmoid(o) * tf.tanh(carry), kernel.dtype)
        after.append([below, carry])
    return tf.matmul(tf.cast(below, tf.float32), logits_kernel) + logits_bias, after
