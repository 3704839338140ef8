"""The model: ids -> one-hot or embedding -> LSTM stack -> logits."""

from collections.abc import Sequence
from typing import Any, Literal

import keras
import tensorflow as tf

from preprocessing.dataset.manifest import Manifest
from trainer.config import ModelConfig
from trainer.model.cudnn_lstm import CudnnLSTM
from trainer.model.lstm import LSTM

Layers = Literal["cpu", "cudnn", "keras"]  # kinds of LSTM layers
EMBEDDING, LOGITS = "embedding", "logits"

# The table [V, 4H] of the first layer's input to its gates, for each symbol. For each layer: the kernel [H below, 4H]
# (None for the first layer), the recurrent kernel [H, 4H] and the bias [4H] float32. Kernel and bias of the logits.
Weights = tuple[tf.Tensor, list[tuple[tf.Tensor | None, tf.Tensor, tf.Tensor]], tuple[tf.Tensor, tf.Tensor]]


def build_model(config: ModelConfig, manifest: Manifest, *, layers: Layers = "cpu") -> keras.Model:
    """Build the model for a run's configuration and its dataset's vocabulary."""
    return build_lstm(
        symbols=len(manifest.vocabulary),
        lstm_units=config.lstm_units,
        embedding_units=config.embedding_units,
        layers=layers,
    )


def build_lstm(*, symbols: int, lstm_units: Sequence[int], embedding_units: int, layers: Layers = "cpu") -> keras.Model:
    """Build ids [B, L] int -> logits [B, L, V] float32 of the character after each position.

    layers: the LSTM layers are this project's, for CPUs or for GPUs, or Keras' own. The weights are the same.
    """
    ids = keras.Input((None,), dtype="int32", name="ids")
    layer = {"cpu": LSTM, "cudnn": CudnnLSTM, "keras": keras.layers.LSTM}[layers]
    steps_first = issubclass(layer, LSTM)
    hidden = keras.ops.transpose(ids) if steps_first else ids
    if embedding_units:
        hidden = keras.layers.Embedding(symbols, embedding_units, name=EMBEDDING)(hidden)
    else:
        hidden = keras.ops.one_hot(hidden, symbols, dtype=keras.mixed_precision.dtype_policy().compute_dtype)
    for number, units in enumerate(lstm_units):
        hidden = layer(units, return_sequences=True, name=f"lstm_{number}")(hidden)
    # float32, because a softmax in half precision loses the rare symbols.
    logits = keras.layers.Dense(symbols, dtype="float32", name=LOGITS)(hidden)
    return keras.Model(ids, keras.ops.transpose(logits, (1, 0, 2)) if steps_first else logits)


def lstm_layers(model: keras.Model) -> list[Any]:
    """Return the LSTM layers, bottom first."""
    return [layer for layer in model.layers if isinstance(layer, keras.layers.LSTM)]


def zero_state(model: keras.Model, rows: int) -> list[tf.Tensor]:
    """Return a state of zero [2, rows, H] float32 for each LSTM layer of a model from `build_lstm`."""
    return [tf.zeros([2, rows, layer.units]) for layer in lstm_layers(model)]


def run_from_state(
    model: keras.Model, ids: tf.Tensor, state: Sequence[tf.Tensor], *, training: bool
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Return the model's logits [B, L, V] for ids [B, L], and the state after the last id.

    The state has a tensor [2, B, H] float32 for each LSTM layer. The layers are `cpu` or `cudnn`.
    """
    hidden = tf.transpose(ids)
    if any(layer.name == EMBEDDING for layer in model.layers):
        hidden = model.get_layer(EMBEDDING)(hidden)
    else:
        hidden = tf.one_hot(hidden, model.get_layer(LOGITS).units)
    after = []
    for layer, before in zip(lstm_layers(model), state, strict=True):
        hidden, layer_state = layer.run(hidden, before, training=training)
        after.append(layer_state)
    return tf.transpose(model.get_layer(LOGITS)(hidden), (1, 0, 2)), after


def character_losses(logits: tf.Tensor, ids: tf.Tensor, objective: str, *, scatter: bool = True) -> tf.Tensor:
    """Return nats per predicted character [B, P] of ids [B, L + 1]. P is L, or 1 for the objective `last`.

    Without `scatter` the gradient has no scatter operation, whose sums on a GPU have no fixed order.
    """
    targets = tf.cast(ids[:, 1:], tf.int32)
    if objective == "last":
        logits, targets = logits[:, -1:], targets[:, -1:]
    if not scatter:
        one_hot = tf.one_hot(targets, logits.shape[-1], dtype=logits.dtype)
        return -tf.reduce_sum(one_hot * tf.nn.log_softmax(logits), axis=-1)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=logits)


def inference_weights(model: keras.Model) -> Weights:
    """Return the current weights of a model from `build_lstm`, in the dtype that the model computes in."""
    layers, logits = lstm_layers(model), model.get_layer(LOGITS)
    dtype = layers[0].compute_dtype
    table = tf.convert_to_tensor(layers[0].cell.kernel)
    if any(layer.name == EMBEDDING for layer in model.layers):
        table = tf.matmul(model.get_layer(EMBEDDING).embeddings, table)
    cells = []
    for number, layer in enumerate(layers):
        cell = layer.cell
        kernel = None if number == 0 else tf.cast(cell.kernel, dtype)  # the table replaces the first layer's kernel
        cells.append((kernel, tf.cast(cell.recurrent_kernel, dtype), tf.convert_to_tensor(cell.bias)))
    return tf.cast(table, dtype), cells, (tf.convert_to_tensor(logits.kernel), tf.convert_to_tensor(logits.bias))
