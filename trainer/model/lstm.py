"""An LSTM layer for CPUs, of the same weights and the same function as Keras'.

Keras' own gradient multiplies weight gradients step by step and rounds their sum at each; here

- what does not depend on the step before is one matrix product over all steps: the input's share of the gates,
  and in the gradient the weights', the bias' and the input's;
- a step is two operations: a product with the recurrent weights, and the cell, which XLA makes one loop of.
  XLA compiles the cell alone, as its matrix products are slower than oneDNN's;
- steps come first, so that one step's values lie together in memory.

Source of the equations: Hochreiter and Schmidhuber, "Long short-term memory", 1997, with the forget gate of
Gers et al., 1999; the gates stand in Keras' order i, f, g, o.
"""

from typing import Any

import keras
import tensorflow as tf


class LSTM(keras.layers.LSTM):
    """[L, B, F] -> [L, B, H], both of the compute dtype; the state before the first step is zero."""

    def call(
        self,
        sequences: tf.Tensor,
        initial_state: Any = None,  # noqa: ARG002
        mask: Any = None,  # noqa: ARG002
        training: bool = False,
    ) -> tf.Tensor:
        cell = self.cell
        weights = [tf.cast(weight, self.compute_dtype) for weight in (cell.kernel, cell.recurrent_kernel, cell.bias)]
        if training:
            return _trained(sequences, *weights)
        return _forward(sequences, *weights, keep=False)[0]

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:  # noqa: ARG002
        return (*sequences_shape[:-1], self.units)


@tf.custom_gradient
def _trained(inputs: tf.Tensor, kernel: tf.Tensor, recurrent: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, Any]:
    outputs, gates, carries = _forward(inputs, kernel, recurrent, bias, keep=True)

    def gradient(d_outputs: tf.Tensor) -> tuple[tf.Tensor, ...]:
        d_gates = _backward(d_outputs, gates, carries, recurrent)
        units = recurrent.shape[0]
        flat, before, after = _rows(d_gates), _rows(outputs[:-1]), _rows(d_gates[1:])
        d_inputs = tf.reshape(tf.matmul(flat, kernel, transpose_b=True), tf.shape(inputs))
        ones = tf.ones([1, tf.shape(flat)[0]], flat.dtype)  # a product sums in float32, a bfloat16 sum would not
        return (
            d_inputs,
            tf.matmul(_rows(inputs), flat, transpose_a=True),
            tf.matmul(before, after, transpose_a=True),
            tf.reshape(tf.matmul(ones, flat), [4 * units]),
        )

    return outputs, gradient


def _forward(
    inputs: tf.Tensor, kernel: tf.Tensor, recurrent: tf.Tensor, bias: tf.Tensor, *, keep: bool
) -> tuple[tf.Tensor, tf.TensorArray, tf.TensorArray]:
    """The outputs [L, B, H]; the gates [B, 4H] of each step and the carry [B, H] before it and after the last."""
    units = recurrent.shape[0]
    rows = tf.shape(inputs)[1]
    shares = tf.reshape(tf.matmul(_rows(inputs), kernel), [tf.shape(inputs)[0], rows, 4 * units])
    before = tf.zeros([rows, units], inputs.dtype), tf.zeros([rows, units], tf.float32)
    outputs, _, gates, carries = steps_from(before, shares, recurrent, bias, keep=keep)
    return outputs, gates, carries


def steps_from(
    before: tuple[tf.Tensor, tf.Tensor], shares: tf.Tensor, recurrent: tf.Tensor, bias: tf.Tensor, *, keep: bool = False
) -> tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor], tf.TensorArray, tf.TensorArray]:
    """The outputs [L, B, H] from the state before the first step, hidden [B, H] and carry [B, H] float32; the state
    after the last. `shares` [L, B, 4H] are what the input adds to the gates.

    With `keep` the gates [B, 4H] of each step, too, and the carry before it and after the last.
    """
    hidden, carry = before
    units, steps, dtype = recurrent.shape[0], tf.shape(shares)[0], hidden.dtype
    transposed = tf.transpose(recurrent)  # oneDNN reads it faster so

    def step(t: tf.Tensor, hidden: tf.Tensor, carry: tf.Tensor, outputs: Any, gates: Any, carries: Any) -> Any:
        hidden, carry, opened = _cell(shares[t], tf.matmul(hidden, transposed, transpose_b=True), bias, carry)
        if keep:
            gates, carries = gates.write(t, opened), carries.write(t + 1, carry)
        return t + 1, hidden, carry, outputs.write(t, hidden), gates, carries

    kept = steps if keep else 0
    outputs, gates, carries = (
        tf.TensorArray(dtype, size, element_shape=[None, width])
        for dtype, size, width in (
            (dtype, steps, units),
            (dtype, kept, 4 * units),
            (tf.float32, kept + 1, units),
        )
    )
    state = (0, hidden, carry, outputs, gates, carries.write(0, carry))
    _, hidden, carry, outputs, gates, carries = tf.while_loop(
        lambda t, *_: t < steps, step, state, parallel_iterations=1
    )
    return outputs.stack(), (hidden, carry), gates, carries


def _backward(d_outputs: tf.Tensor, gates: tf.TensorArray, carries: tf.TensorArray, recurrent: tf.Tensor) -> tf.Tensor:
    """The loss' derivatives by what goes into the gates, [L, B, 4H]."""
    units = recurrent.shape[0]
    steps, rows = tf.shape(d_outputs)[0], tf.shape(d_outputs)[1]

    def step(t: tf.Tensor, d_hidden: tf.Tensor, d_carry: tf.Tensor, d_gates: Any) -> Any:
        d_opened, d_carry = _cell_gradient(
            gates.read(t), carries.read(t), carries.read(t + 1), d_outputs[t], d_hidden, d_carry
        )
        return t - 1, tf.matmul(d_opened, recurrent, transpose_b=True), d_carry, d_gates.write(t, d_opened)

    d_hidden, d_carry = tf.zeros([rows, units], d_outputs.dtype), tf.zeros([rows, units], tf.float32)
    d_gates = tf.TensorArray(d_outputs.dtype, steps, element_shape=[None, 4 * units])
    state = (steps - 1, d_hidden, d_carry, d_gates)
    *_, d_gates = tf.while_loop(lambda t, *_: t >= 0, step, state, parallel_iterations=1)
    stacked: tf.Tensor = d_gates.stack()
    return stacked


@tf.function(jit_compile=True)
def _cell(
    share: tf.Tensor, recurrent: tf.Tensor, bias: tf.Tensor, carry: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Hidden [B, H] and carry [B, H] float32 after a step, and its gates [B, 4H]."""
    into = tf.cast(share, tf.float32) + tf.cast(recurrent, tf.float32) + tf.cast(bias, tf.float32)
    i, f, g, o = tf.split(into, 4, axis=1)
    i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
    carry = f * carry + i * g
    gates = tf.concat([i, f, g, o], axis=1)
    return tf.cast(o * tf.tanh(carry), share.dtype), carry, tf.cast(gates, share.dtype)


@tf.function(jit_compile=True)
def _cell_gradient(
    gates: tf.Tensor, before: tf.Tensor, after: tf.Tensor, d_output: tf.Tensor, d_hidden: tf.Tensor, d_carry: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Derivatives by what went into the gates [B, 4H] and by the carry before [B, H] float32."""
    i, f, g, o = tf.split(tf.cast(gates, tf.float32), 4, axis=1)
    squashed = tf.tanh(after)
    d_hidden = tf.cast(d_output, tf.float32) + tf.cast(d_hidden, tf.float32)
    d_carry += d_hidden * o * (1 - squashed * squashed)
    d_gates = [
        d_carry * g * i * (1 - i),
        d_carry * before * f * (1 - f),
        d_carry * i * (1 - g * g),
        d_hidden * squashed * o * (1 - o),
    ]
    return tf.cast(tf.concat(d_gates, axis=1), gates.dtype), d_carry * f


def _rows(values: tf.Tensor) -> tf.Tensor:
    """[L, B, N] as [L * B, N]."""
    return tf.reshape(values, [-1, values.shape[-1]])
