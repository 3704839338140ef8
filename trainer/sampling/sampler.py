"""Text from a model, a character at a time, with the LSTM's state carried along."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from preprocessing.errors import Stopped
from trainer.data.order import uniform
from trainer.model.network import weights_of
from trainer.sampling.truncation import ALL, Limits

GROUP_ROWS = 8
State = Any
# As trainer.model.network has them, but for each layer's kernels, which are one.
Weights = tuple[tf.Tensor, list[tuple[tf.Tensor, tf.Tensor]], tuple[tf.Tensor, tf.Tensor]]
# ids [B] int32 and the state before them -> logits [B, V] float32 of the next character and the state after.
Step = Callable[[npt.NDArray[np.int32], State], tuple[npt.NDArray[np.float32], State]]


def draws(seed: int, epoch: int, *, rows: int, chars: int, first: int = 0) -> npt.NDArray[np.float64]:
    """Numbers [rows, chars] in [0, 1) that decide the samples, from row `first` on; a row's do not depend on the
    rows beside it."""
    return np.stack([uniform((seed, epoch, row), chars) for row in range(first, first + rows)])


def choose(
    logits: npt.NDArray[np.float32],
    diversities: npt.NDArray[np.float64],
    drawn: npt.NDArray[np.float64],
    limits: Limits = ALL,
) -> npt.NDArray[np.int32]:
    """One id for each row of logits [B, V], from softmax(logits / diversity); at diversity 0 the likeliest.

    The id is the first, of those within `limits`, whose cumulated probability exceeds the row's number in [0, 1).
    """
    shifted = (logits - logits.max(axis=1, keepdims=True)).astype(np.float64)
    with np.errstate(over="ignore"):  # a tiny diversity: all but the likeliest at exp(-inf)
        scaled = shifted / np.where(diversities == 0, 1.0, diversities)[:, None]
    cumulated = limits.kept(np.exp(scaled)).cumsum(axis=1)
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


def stepper(model: keras.Model, rows: int) -> tuple[Step, State]:
    """Return the model with its weights of now as a Step, and the state of B = rows before the first character.

    A row's bits depend on its number and its own characters alone, not on how many rows there are or what they hold.
    How a matrix product rounds a row may depend on the product's shape and on the row's position: with AVX2 a kernel
    takes eight rows as six and two. So row n always stands at n % GROUP_ROWS in a group padded to GROUP_ROWS rows.
    A state is a list of the groups' states.
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


def with_rows_of(other: State, state: State, rows: npt.NDArray[np.bool_]) -> State:
    """A stepper's state with those of the rows [B] that are true as they are in another one of the same stepper."""
    filled = np.zeros((len(state), GROUP_ROWS, 1), bool)
    filled.reshape(-1)[: len(rows)] = rows
    return [
        tf.nest.map_structure(lambda new, old, mask=mask: tf.where(mask, new, old), theirs, ours)
        if mask.any()
        else ours
        for mask, theirs, ours in zip(filled, other, state, strict=True)
    ]


def step_weights(model: keras.Model) -> Weights:
    """A model's weights as `next_logits` takes them: made ready once, as a step does little more than read them."""
    table, layers, logits = weights_of(model)
    gates = []
    for kernel, recurrent, bias in layers:
        below = [] if kernel is None else [kernel]
        # [below; before] to the gates, transposed, which oneDNN reads faster.
        gates.append((tf.transpose(tf.concat([*below, recurrent], axis=0)), bias))
    return table, gates, logits


@tf.function
def _next_of_groups(weights: Weights, ids: tf.Tensor, before: State) -> tuple[tf.Tensor, State]:
    """`next_logits` of each group, ids [G, GROUP_ROWS]: one call costs less than many, and groups share the cores."""
    found = [next_logits(weights, group, held) for group, held in zip(tf.unstack(ids), before, strict=True)]
    return tf.concat([logits for logits, _ in found], axis=0), [after for _, after in found]


@tf.function
def next_logits(
    weights: Weights, ids: tf.Tensor, before: list[list[tf.Tensor]]
) -> tuple[tf.Tensor, list[list[tf.Tensor]]]:
    """Logits [B, V] float32 after ids [B], and of each layer hidden and carry [B, H] after them, from those before."""
    table, layers, (logits_kernel, logits_bias) = weights
    below, after = None, []
    for (kernel, bias), (hidden, carry) in zip(layers, before, strict=True):
        inputs = hidden if below is None else tf.concat([below, hidden], axis=1)
        gates = tf.cast(tf.matmul(inputs, kernel, transpose_b=True), tf.float32) + bias
        if below is None:
            gates += tf.cast(tf.gather(table, ids), tf.float32)
        i, f, g, o = tf.split(gates, 4, axis=1)
        carry = tf.sigmoid(f) * carry + tf.sigmoid(i) * tf.tanh(g)
        below = tf.cast(tf.sigmoid(o) * tf.tanh(carry), kernel.dtype)
        after.append([below, carry])
    return tf.matmul(tf.cast(below, tf.float32), logits_kernel) + logits_bias, after
