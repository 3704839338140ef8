"""A scorer of texts: the bits, the rank and the expected bits of each character under a model.

ROWS texts of similar length are scored side by side, CHARS characters at a time, with the state carried along. All
are padded to this shape. So memory does not grow with a text's length, and one program is compiled. The other texts
change a text's bits by the rounding of a matrix product: by at most TOLERANCE, and on the tested x86 CPUs, with AVX2
and with AVX-512, not at all.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer.model.lstm import run_lstm_steps
from trainer.model.network import Weights, inference_weights
from trainer.scoring.scores import Scores

# oneDNN's kernels take 6 rows (AVX2), 8 or 16 at once, and round what is left over differently. 48 leaves nothing over.
ROWS, CHARS = 48, 64
TOLERANCE = 0.001


class Scorer:
    """A model, with its current weights, that scores texts."""

    def __init__(self, model: keras.Model) -> None:
        self._weights = inference_weights(model)

    def __call__(self, texts: Sequence[npt.NDArray[Any]]) -> list[Scores]:
        """Return the scores [n] of each text's ids [n + 1] but the first, n at least 1."""
        by_length = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        scored: dict[int, Scores] = {}
        for first in range(0, len(by_length), ROWS):
            indices = by_length[first : first + ROWS]
            batch = self._score_batch([texts[index] for index in indices])
            scored.update(zip(indices, batch, strict=True))
        return [scored[index] for index in range(len(texts))]

    def _score_batch(self, texts: Sequence[npt.NDArray[Any]]) -> list[Scores]:
        lengths = [len(text) - 1 for text in texts]
        chunks = -(-max(lengths) // CHARS)
        ids = np.zeros((ROWS, chunks * CHARS + 1), np.int32)
        for row, text in zip(ids, texts, strict=False):
            row[: len(text)] = text
        table, layers, _ = self._weights
        widths = [recurrent.shape[0] for _, recurrent, _ in layers]
        state = [(tf.zeros((ROWS, width), table.dtype), tf.zeros((ROWS, width))) for width in widths]
        parts = []
        for first in range(0, chunks * CHARS, CHARS):
            *part, state = _chunk(self._weights, tf.constant(ids[:, first : first + CHARS + 1]), state)
            parts.append([array.numpy() for array in part])
        bits, ranks, expected = (np.concatenate(arrays).T for arrays in zip(*parts, strict=True))
        # Copies, because a view would keep the memory of all rows.
        return [
            Scores(bits[row, :n].copy(), ranks[row, :n].copy(), expected[row, :n].copy())
            for row, n in enumerate(lengths)
        ]


@tf.function
def _chunk(weights: Weights, ids: tf.Tensor, before: Any) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, Any]:
    """Return bits, ranks and expected bits [L, B] of ids [B, L + 1] but the first, and the state after them."""
    table, layers, (logits_kernel, logits_bias) = weights
    inputs, targets = tf.transpose(ids[:, :-1]), tf.transpose(ids[:, 1:])
    below, after = None, []
    for (kernel, recurrent, bias), state in zip(layers, before, strict=True):
        input_gates = tf.gather(table, inputs) if below is None else tf.tensordot(below, kernel, 1)
        below, state_after, _, _ = run_lstm_steps(state, input_gates, recurrent, bias)
        after.append(state_after)
    logits = tf.tensordot(tf.cast(below, tf.float32), logits_kernel, 1) + logits_bias
    bits = tf.nn.log_softmax(logits) / -math.log(2)
    chosen = tf.gather(logits, targets, batch_dims=2)[..., None]
    # Between equally likely symbols the lower id ranks first.
    equal_before = (logits == chosen) & (tf.range(tf.shape(logits)[-1]) < targets[..., None])
    ranks = 1 + tf.reduce_sum(tf.cast((logits > chosen) | equal_before, tf.int32), axis=-1)
    expected = tf.reduce_sum(tf.nn.softmax(logits) * bits, axis=-1)
    return tf.gather(bits, targets, batch_dims=2), ranks, expected, after
