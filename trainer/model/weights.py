"""A model's weights as a step over characters takes them, in the dtype that it computes in."""

import keras
import tensorflow as tf

from trainer.model.network import EMBEDDING, LOGITS, lstm_layers

# What the first layer makes of each symbol [V, 4H]; of each layer the kernel [H below, 4H], None for the first, the
# recurrent kernel [H, 4H] and the bias [4H] float32; those of the logits, float32.
Weights = tuple[tf.Tensor, list[tuple[tf.Tensor | None, tf.Tensor, tf.Tensor]], tuple[tf.Tensor, tf.Tensor]]


def weights_of(model: keras.Model) -> Weights:
    """Those of now, of a model that `network.build` made."""
    layers, logits = lstm_layers(model), model.get_layer(LOGITS)
    dtype = layers[0].compute_dtype
    table = tf.convert_to_tensor(layers[0].cell.kernel)
    if any(layer.name == EMBEDDING for layer in model.layers):
        table = tf.matmul(model.get_layer(EMBEDDING).embeddings, table)
    cells = []
    for number, layer in enumerate(layers):
        cell = layer.cell
        kernel = None if number == 0 else tf.cast(cell.kernel, dtype)  # the first layer's is the table
        cells.append((kernel, tf.cast(cell.recurrent_kernel, dtype), tf.convert_to_tensor(cell.bias)))
    return tf.cast(table, dtype), cells, (tf.convert_to_tensor(logits.kernel), tf.convert_to_tensor(logits.bias))
