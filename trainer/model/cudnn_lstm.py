"""An LSTM layer for GPUs with the weights and the function of lstm.py's layer, computed by cuDNN.

Keras' own layer reaches cuDNN too. This layer differs in three ways:

- the first axis is the step, as on the CPU, so that cuDNN neither transposes nor pads;
- the width of the input is padded to a multiple of 8, which tensor cores ask for: 61 symbols become 64;
- evaluation keeps nothing for a gradient.

cuDNN takes all weights as one vector. For one layer in one direction the vector holds the input's matrices of the
gates i, f, g, o, each [H, F], then the recurrent matrices, each [H, H], then the input's biases and the recurrent
biases, each [H] (cudnnGetRNNWeightParams, linLayerID 0 to 7). Keras' kernel [F, 4H] has the gates in the same order.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from trainer.model.lstm import LSTM

ALIGNMENT = 8  # elements of half precision: NVIDIA, "Deep Learning Performance: Recurrent Layers"


class CudnnLSTM(LSTM):
    """LSTM layer [L, B, F] -> [L, B, H] as in lstm.py. The carry of a state is rounded to the compute dtype."""

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
        return run_cudnn(inputs, kernel, recurrent, bias, state, training=training)


def run_cudnn(
    inputs: tf.Tensor,
    kernel: tf.Tensor,
    recurrent: tf.Tensor,
    bias: tf.Tensor,
    state: tf.Tensor | None = None,
    *,
    training: bool,
    operation: Callable[..., Any] = tf.raw_ops.CudnnRNNV3,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the outputs [L, B, H] and the last state [2, B, H] float32.

    Takes inputs [L, B, F], kernel [F, 4H], recurrent [H, 4H], bias [4H] and a state, or None for zero. The gradient
    exists only with `training`. `operation` is TensorFlow's operation, or one with its arguments.
    """
    missing = -inputs.shape[-1] % ALIGNMENT
    if missing:
        inputs = tf.pad(inputs, [[0, 0], [0, 0], [0, missing]])
        kernel = tf.pad(kernel, [[0, missing], [0, 0]])
    steps, rows, units = tf.shape(inputs)[0], tf.shape(inputs)[1], recurrent.shape[0]
    matrices = [tf.reshape(tf.transpose(matrix), [-1]) for matrix in (kernel, recurrent)]
    zero = tf.zeros([1, rows, units], inputs.dtype)
    outputs, hidden, carry, *_ = operation(
        input=inputs,
        input_h=zero if state is None else tf.cast(state[:1], inputs.dtype),
        input_c=zero if state is None else tf.cast(state[1:], inputs.dtype),
        params=tf.concat([*matrices, tf.zeros_like(bias), bias], axis=0),
        sequence_lengths=tf.fill([rows], steps),  # cuDNN 9 refuses to run without
        rnn_mode="lstm",
        is_training=training,
        time_major=True,
    )
    return outputs, tf.stop_gradient(tf.cast(tf.concat([hidden, carry], axis=0), tf.float32))
