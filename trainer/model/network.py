"""The model: ids -> one-hot or embedding -> LSTM stack -> logits, and the optimizer that trains it."""

import functools
from collections.abc import Sequence
from typing import Any, Literal

import keras
import tensorflow as tf

from preprocessing.dataset.manifest import Manifest
from trainer.config import ModelConfig
from trainer.model.lstm import LSTM

EMBEDDING, LOGITS = "embedding", "logits"

# What the first layer makes of each symbol [V, 4H]; of each layer the kernel [H below, 4H], None for the first, the
# recurrent kernel [H, 4H] and the bias [4H] float32; those of the logits, float32.
Weights = tuple[tf.Tensor, list[tuple[tf.Tensor | None, tf.Tensor, tf.Tensor]], tuple[tf.Tensor, tf.Tensor]]


def build_model(config: ModelConfig, manifest: Manifest, *, cudnn: bool | Literal["auto"] = False) -> keras.Model:
    """Build the model for a run's configuration and its dataset's vocabulary."""
    return build_lstm(
        symbols=len(manifest.vocabulary),
        lstm_units=config.lstm_units,
        embedding_units=config.embedding_units,
        cudnn=cudnn,
    )


def build_lstm(
    *, symbols: int, lstm_units: Sequence[int], embedding_units: int, cudnn: bool | Literal["auto"] = False
) -> keras.Model:
    """ids [B, L] int -> logits [B, L, V] float32 for the character after each position.

    With `cudnn` the LSTMs are Keras' own, and unless it is `auto` an error where they cannot run on cuDNN; without,
    they are those of lstm.py beside this file, for CPUs. The weights are the same.
    """
    ids = keras.Input((None,), dtype="int32", name="ids")
    steps_first = ids if cudnn else keras.ops.transpose(ids)
    if embedding_units:
        hidden = keras.layers.Embedding(symbols, embedding_units, name=EMBEDDING)(steps_first)
    else:
        hidden = keras.ops.one_hot(steps_first, symbols, dtype=keras.mixed_precision.dtype_policy().compute_dtype)
    for number, units in enumerate(lstm_units):
        kind: Any = functools.partial(keras.layers.LSTM, use_cudnn=cudnn) if cudnn else LSTM
        hidden = kind(units, return_sequences=True, name=f"lstm_{number}")(hidden)
    # float32, because a softmax in half precision loses the rare symbols.
    logits = keras.layers.Dense(symbols, dtype="float32", name=LOGITS)(hidden)
    return keras.Model(ids, logits if cudnn else keras.ops.transpose(logits, (1, 0, 2)))


def lstm_layers(model: keras.Model) -> list[Any]:
    """The LSTM layers, bottom first."""
    return [layer for layer in model.layers if isinstance(layer, keras.layers.LSTM)]


def optimizer(*, learning_rate: float, schedule: str, warmup_steps: int, steps: int) -> Any:
    """Adam at a constant rate, or with a cosine decay to a tenth of it at the last of `steps`.

    Either rises from 0 over `warmup_steps` first. With float16 the loss is scaled, as its range needs.
    """
    rate: Any = learning_rate
    if schedule == "cosine" or warmup_steps:
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if warmup_steps else learning_rate,
            decay_steps=max(1, steps - warmup_steps),
            alpha=0.1 if schedule == "cosine" else 1.0,
            warmup_target=learning_rate if warmup_steps else None,
            warmup_steps=warmup_steps,
        )
    adam = keras.optimizers.Adam(rate, name="adam")
    if keras.mixed_precision.dtype_policy().compute_dtype == "float16":
        return keras.optimizers.LossScaleOptimizer(adam, name="loss_scale")  # its own has a number, another each time
    return adam


def losses(logits: tf.Tensor, ids: tf.Tensor, objective: str) -> tf.Tensor:
    """Nats per predicted character [B, P], P = L, or 1 for the objective `last`; ids [B, L + 1]."""
    targets = tf.cast(ids[:, 1:], tf.int32)
    if objective == "last":
        logits, targets = logits[:, -1:], targets[:, -1:]
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=logits)


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
