"""A model as a SavedModel from text to text. Its graph contains the vocabulary and the sampling.

tf.saved_model.load(FOLDER).signatures["generate"](prompt=, chars=, diversity=, seed=)["text"]
"""

from typing import Any

import keras
import tensorflow as tf

from preprocessing.dataset.vocabulary import OPEN
from trainer.data.hashing import GAMMA, MIX_1, MIX_2
from trainer.sampling.sampler import next_logits, step_weights


class Generator(tf.Module):
    """Sampling as in trainer/sampling/, in a TensorFlow graph and in float32.

    The texts equal the texts of jobs.sample, unless the rounding of a sum decides a symbol.
    """

    def __init__(self, model: keras.Model, symbols: str, *, lowercase: bool) -> None:
        super().__init__(name="generator")
        self._weights = tf.nest.map_structure(lambda weight: tf.Variable(weight, trainable=False), step_weights(model))
        self._widths = [bias.shape[0] // 4 for _, bias in self._weights[1]]
        self._lowercase = lowercase
        points = tf.constant([ord(symbol) for symbol in symbols], tf.int32)
        table = tf.lookup.KeyValueTensorInitializer(points, tf.range(len(symbols)))
        self._ids = tf.lookup.StaticHashTable(table, default_value=-1)
        self.symbols = tf.Variable([symbol.encode() for symbol in symbols], trainable=False)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, name="prompt"),
            tf.TensorSpec([], tf.int32, name="chars"),
            tf.TensorSpec([], tf.float32, name="diversity"),
            tf.TensorSpec([], tf.int32, name="seed"),
        ]
    )
    def generate(self, prompt: tf.Tensor, chars: tf.Tensor, diversity: tf.Tensor, seed: tf.Tensor) -> Any:
        """Return {"text": [N] string}: `chars` characters each that continue the prompts [N] in UTF-8.

        Symbols outside the vocabulary are left out of a prompt. An empty prompt becomes the start of a review.
        Row n is sample n of the seed.
        """
        checks = [
            tf.debugging.assert_positive(chars, "chars: expected at least 1"),
            tf.debugging.assert_non_negative(diversity, "diversity: expected at least 0"),
        ]
        with tf.control_dependencies(checks):  # first, because a later operation would fail with a vaguer message
            chars, diversity = tf.identity(chars), tf.identity(diversity)
        logits, state = self._read(self._encoded(prompt))
        drawn = _draws(seed, tf.shape(prompt)[0], chars)
        chosen = tf.TensorArray(tf.int32, chars, element_shape=[None])
        for position in tf.range(chars):
            ids = _choose(logits, tf.cast(diversity, tf.float64), drawn[:, position])
            chosen = chosen.write(position, ids)
            logits, state = next_logits(self._weights, ids, state)
        symbols = tf.gather(self.symbols, tf.transpose(chosen.stack()))
        return {"text": tf.strings.reduce_join(symbols, axis=1)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="prompt")])
    def logits(self, prompt: tf.Tensor) -> tf.Tensor:
        """Return logits [N, V] float32 for the character after each of the prompts [N]."""
        return self._read(self._encoded(prompt))[0]

    def _encoded(self, prompt: tf.Tensor) -> tf.RaggedTensor:
        text = tf.strings.lower(prompt, encoding="utf-8") if self._lowercase else prompt
        ids = self._ids.lookup(tf.strings.unicode_decode(text, "UTF-8"))
        ids = tf.ragged.boolean_mask(ids, ids >= 0)
        opening = tf.fill([ids.nrows(), 1], self._ids.lookup(tf.constant(ord(OPEN))))
        empty = tf.cast(ids.row_lengths() == 0, tf.int64)
        return tf.concat([tf.RaggedTensor.from_tensor(opening, lengths=empty), ids], axis=1)

    def _read(self, ids: tf.RaggedTensor) -> tuple[tf.Tensor, list[list[tf.Tensor]]]:
        """Return logits and state after each row's ids. A row at its end waits for the longer rows."""
        lengths, padded = tf.cast(ids.row_lengths(), tf.int32), ids.to_tensor()
        rows = tf.shape(padded)[0]
        logits = tf.zeros([rows, len(self.symbols)])
        state = [[tf.zeros([rows, width]), tf.zeros([rows, width])] for width in self._widths]
        for position in tf.range(tf.shape(padded)[1]):
            after = next_logits(self._weights, padded[:, position], state)
            inside = (position < lengths)[:, None]
            logits, state = tf.nest.map_structure(
                lambda new, old, inside=inside: tf.where(inside, new, old), after, (logits, state)
            )
        return logits, state


def _choose(logits: tf.Tensor, diversity: tf.Tensor, drawn: tf.Tensor) -> tf.Tensor:
    """Choose ids [B] as trainer/sampling/sampler.py `choose` does without truncation: change both."""
    shifted = tf.cast(logits - tf.reduce_max(logits, axis=1, keepdims=True), tf.float64)
    cumulated = tf.cumsum(tf.exp(shifted / tf.where(diversity == 0, tf.ones_like(diversity), diversity)), axis=1)
    sampled = tf.reduce_sum(tf.cast(cumulated <= drawn[:, None] * cumulated[:, -1:], tf.int32), axis=1)
    return tf.where(diversity == 0, tf.argmax(logits, axis=1, output_type=tf.int32), sampled)


def _draws(seed: tf.Tensor, rows: tf.Tensor, chars: tf.Tensor) -> tf.Tensor:
    """Return random numbers [rows, chars] float64 as trainer/sampling/sampler.py `draw_numbers` does for epoch 0."""
    state = _mix(_mix(tf.cast(seed, tf.uint64)[None]))  # the second mixes in the epoch, which is 0
    state = _mix(state + tf.cast(tf.range(rows), tf.uint64))
    hashed = _mix(state[:, None] + tf.cast(tf.range(chars), tf.uint64))
    return tf.cast(_shift_right(hashed, 11), tf.float64) * 2.0**-53


def _mix(state: tf.Tensor) -> tf.Tensor:
    """Mix bits by splitmix64, as trainer/data/order.py does."""
    state += tf.constant(int(GAMMA), tf.uint64)
    state = tf.bitwise.bitwise_xor(state, _shift_right(state, 30)) * tf.constant(int(MIX_1), tf.uint64)
    state = tf.bitwise.bitwise_xor(state, _shift_right(state, 27)) * tf.constant(int(MIX_2), tf.uint64)
    return tf.bitwise.bitwise_xor(state, _shift_right(state, 31))


def _shift_right(state: tf.Tensor, bits: int) -> tf.Tensor:
    return tf.bitwise.right_shift(state, tf.constant(bits, tf.uint64))
