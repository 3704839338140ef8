"""An LSTM layer for CPUs with the weights and the function of Keras' layer, and a faster gradient.

Keras' gradient multiplies weight gradients step by step, and rounds their sum at each step. Here

- one matrix product over all steps computes everything that does not depend on the step before: the input's share
  of the gates and, in the gradient, the weights', the bias' and the input's part;
- a step is two operations: a product with the recurrent weights, and the cell, which XLA compiles to one loop.
  XLA compiles only the cell, because its matrix products are slower than oneDNN's;
- the first axis is the step, so that one step's values lie together in memory.

Source of the equations: Hochreiter and Schmidhuber, "Long short-term memory", 1997, with the forget gate of
Gers et al., 1999. The gates are in Keras' order: i, f, g, o.
"""

from typing import Any

import keras
import tensorflow as tf

from trainer.model.product import multiply, store


class LSTM(keras.layers.LSTM):
    """LSTM layer [L, B, F] -> [L, B, H], both in the compute dtype. Called as a layer, it starts from a state of zero.

    A state [2, B, H] float32 holds the hidden values and the carry.
    """

    def call(
        self,
        sequences: tf.Tensor,
        initial_state: Any = None,  # noqa: ARG002
        mask: Any = None,  # noqa: ARG002
        training: bool = False,
    ) -> tf.Tensor:
        return self.run(sequences, None, training=bool(training))[0]

    def run(self, inputs: tf.Tensor, state: tf.Tensor | None, *, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the outputs [L, B, H], and the state after the last step. Without a `state` the first one is zero.

        No gradient goes through a state.
        """
        cell = self.cell
        values = (inputs, cell.kernel, cell.recurrent_kernel, cell.bias)
        inputs, kernel, recurrent, bias = (tf.cast(value, self.compute_dtype) for value in values)
        return self.run_layer(inputs, kernel, recurrent, bias, state, training=training)

    def run_layer(
        self,
        inputs: tf.Tensor,
        kernel: tf.Tensor,
        recurrent: tf.Tensor,
        bias: tf.Tensor,
        state: tf.Tensor | None,
        *,
        training: bool,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Run the layer on inputs [L, B, F] and weights in one dtype. Return what `run` returns."""
        if training:
            outputs, hidden, carry = _trained(inputs, kernel, recurrent, bias, state)
        else:
            outputs, (hidden, carry), _, _ = _forward(inputs, kernel, recurrent, bias, state, keep=False)
        return outputs, tf.stop_gradient(tf.stack([tf.cast(hidden, tf.float32), carry]))

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:  # noqa: ARG002
        return (*sequences_shape[:-1], self.units)


def _trained(
    inputs: tf.Tensor, kernel: tf.Tensor, recurrent: tf.Tensor, bias: tf.Tensor, state: tf.Tensor | None
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return the outputs [L, B, H], and hidden and carry after the last step."""

    @tf.custom_gradient
    def run(
        inputs: tf.Tensor, kernel: tf.Tensor, recurrent: tf.Tensor, bias: tf.Tensor
    ) -> tuple[tuple[tf.Tensor, ...], Any]:
        outputs, (hidden, carry), gates, carries = _forward(inputs, kernel, recurrent, bias, state, keep=True)

        def gradient(d_outputs: tf.Tensor, *_: tf.Tensor) -> tuple[tf.Tensor, ...]:
            d_gates = _backward(d_outputs, gates, carries, recurrent)
            units, flat = recurrent.shape[0], _rows(d_gates)
            before, after = outputs[:-1], d_gates[1:]  # from a state of zero, the first step adds nothing
            if state is not None:
                before, after = tf.concat([tf.cast(state[:1], outputs.dtype), before], axis=0), d_gates
            d_inputs = tf.reshape(tf.matmul(flat, kernel, transpose_b=True), tf.shape(inputs))
            ones = tf.ones([1, tf.shape(flat)[0]], flat.dtype)  # a matrix product sums in float32, a bfloat16 sum not
            return (
                d_inputs,
                tf.matmul(_rows(inputs), flat, transpose_a=True),
                tf.matmul(_rows(before), _rows(after), transpose_a=True),
                tf.reshape(tf.matmul(ones, flat), [4 * units]),
            )

        return (outputs, hidden, carry), gradient

    return run(inputs, kernel, recurrent, bias)


def _forward(
    inputs: tf.Tensor,
    kernel: tf.Tensor,
    recurrent: tf.Tensor,
    bias: tf.Tensor,
    state: tf.Tensor | None,
    *,
    keep: bool,
) -> tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor], tf.TensorArray, tf.TensorArray]:
    """Run all steps from a state [2, B, H], or from zero. Return what `run_lstm_steps` returns."""
    units = recurrent.shape[0]
    rows = tf.shape(inputs)[1]
    input_gates = tf.reshape(tf.matmul(_rows(inputs), kernel), [tf.shape(inputs)[0], rows, 4 * units])
    before = tf.zeros([rows, units], inputs.dtype), tf.zeros([rows, units], tf.float32)
    if state is not None:
        before = tf.cast(state[0], inputs.dtype), state[1]
    return run_lstm_steps(before, input_gates, recurrent, bias, keep=keep)


def run_lstm_steps(
    before: tuple[tf.Tensor, tf.Tensor],
    input_gates: tf.Tensor,
    recurrent: tf.Tensor,
    bias: tf.Tensor,
    *,
    keep: bool = False,
) -> tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor], tf.TensorArray, tf.TensorArray]:
    """Run all steps. Return the outputs [L, B, H] and the state after the last step.

    A state is hidden [B, H] and carry [B, H] float32. `input_gates` [L, B, 4H] are the input's part of the gates. With
    `keep`, also return the gates [B, 4H] of each step, and the carry before each step and at the end.
    """
    hidden, carry = before
    units, steps, dtype = recurrent.shape[0], tf.shape(input_gates)[0], hidden.dtype
    stored = store(recurrent)

    def step(t: tf.Tensor, hidden: tf.Tensor, carry: tf.Tensor, outputs: Any, gates: Any, carries: Any) -> Any:
        hidden, carry, opened = _cell(input_gates[t], multiply(hidden, stored), bias, carry)
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
    """Return the derivatives [L, B, 4H] of the loss by the gates' inputs."""
    units = recurrent.shape[0]
    steps, rows = tf.shape(d_outputs)[0], tf.shape(d_outputs)[1]
    stored = store(tf.transpose(recurrent))

    def step(t: tf.Tensor, d_hidden: tf.Tensor, d_carry: tf.Tensor, d_gates: Any) -> Any:
        d_opened, d_carry = _cell_gradient(
            gates.read(t), carries.read(t), carries.read(t + 1), d_outputs[t], d_hidden, d_carry
        )
        return t - 1, multiply(d_opened, stored), d_carry, d_gates.write(t, d_opened)

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
    """Return hidden [B, H] and carry [B, H] float32 after a step, and the step's gates [B, 4H]."""
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
    """Return the derivatives by the gates' inputs [B, 4H] and by the carry before the step [B, H] float32."""
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
    """Return [L, B, N] reshaped to [L * B, N]."""
    return tf.reshape(values, [-1, values.shape[-1]])
