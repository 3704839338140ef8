"""The LSTM layer for CPUs, compared with the Keras layer with equal weights."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.model.lstm import LSTM

SEQUENCES = np.random.default_rng(1).normal(size=(5, 9, 3)).astype(np.float32)  # [B, L, F]


def outcome(layer: Any, sequences: np.ndarray) -> list[np.ndarray]:
    """Return the outputs, then the gradients of a loss with respect to the sequences and each weight.

    The loss depends on all outputs.
    """
    inputs = tf.constant(sequences)

    @tf.function
    def run() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = tf.cast(layer(inputs, training=True), tf.float32)
            loss = tf.reduce_sum(tf.sin(outputs * 3.0))
        return outputs, tape.gradient(loss, [inputs, *layer.trainable_variables])

    outputs, gradients = run()
    return [outputs.numpy(), *(gradient.numpy() for gradient in gradients)]


def both(dtype: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    ours, keras_own = (layer(4, return_sequences=True, dtype=dtype) for layer in (LSTM, keras.layers.LSTM))
    ours.build((9, 5, 3))
    keras_own.build((5, 9, 3))
    for weight in ours.weights:  # random weights, because the initial bias holds only 0 and 1
        weight.assign(np.random.default_rng(2).normal(size=weight.shape))
    keras_own.set_weights(ours.get_weights())
    found = outcome(ours, SEQUENCES.transpose(1, 0, 2))
    found[:2] = [array.transpose(1, 0, 2) for array in found[:2]]
    return found, outcome(keras_own, SEQUENCES)


def test_weights_have_keras_names_and_shapes() -> None:
    ours, keras_own = LSTM(4, name="lstm_0"), keras.layers.LSTM(4, name="lstm_0")
    ours.build((None, None, 3))
    keras_own.build((None, None, 3))
    assert [(w.path, w.shape) for w in ours.weights] == [(w.path, w.shape) for w in keras_own.weights]


def test_outputs_and_gradients_equal_keras() -> None:
    for ours, keras_own in zip(*both("float32"), strict=True):
        np.testing.assert_allclose(ours, keras_own, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("dtype", "precision"), [("mixed_bfloat16", 2**-8), ("mixed_float16", 2**-11)])
def test_half_precision_equals_keras_within_rounding(dtype: str, precision: float) -> None:
    for ours, keras_own in zip(*both(dtype), strict=True):
        assert np.abs(ours - keras_own).max() < 4 * precision * np.abs(keras_own).max()


def test_without_training_the_outputs_are_the_same() -> None:
    layer = LSTM(4, dtype="mixed_bfloat16")
    np.testing.assert_array_equal(layer(SEQUENCES), layer(SEQUENCES, training=True))


def test_sequence_of_one_step_has_no_gradient_by_the_recurrent_weights() -> None:
    layer = LSTM(4)
    _, _, _, recurrent, _ = outcome(layer, SEQUENCES[:1])
    assert not recurrent.any()


@pytest.mark.parametrize("training", [False, True])
def test_two_halves_with_carried_state_have_the_outputs_of_the_whole(training: bool) -> None:
    layer, whole = LSTM(4), tf.constant(SEQUENCES)
    layer.build(SEQUENCES.shape)
    outputs, after = layer.run(whole, None, training=training)
    first, state = layer.run(whole[:4], None, training=training)
    second, last = layer.run(whole[4:], state, training=training)
    np.testing.assert_allclose(tf.concat([first, second], axis=0), outputs, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(last, after, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(after[0], outputs[-1])


def test_gradients_from_a_state_equal_keras() -> None:
    ours, keras_own = LSTM(4), keras.layers.LSTM(4, return_sequences=True)
    ours.build(SEQUENCES.shape)
    keras_own.build(SEQUENCES.transpose(1, 0, 2).shape)
    keras_own.set_weights(ours.get_weights())
    state = tf.constant(np.random.default_rng(4).normal(size=(2, SEQUENCES.shape[1], 4)), tf.float32)

    def gradients(layer: keras.layers.Layer, run: Callable[[], tf.Tensor]) -> list[np.ndarray]:
        @tf.function
        def compute() -> list[tf.Tensor]:
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(tf.sin(3.0 * run()))
            return tape.gradient(loss, layer.trainable_variables)

        return [gradient.numpy() for gradient in compute()]

    expected = gradients(
        keras_own, lambda: keras_own(SEQUENCES.transpose(1, 0, 2), initial_state=[state[0], state[1]], training=True)
    )
    found = gradients(ours, lambda: ours.run(tf.constant(SEQUENCES), state, training=True)[0])
    for ours_array, keras_array in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours_array, keras_array, rtol=1e-4, atol=1e-5)
