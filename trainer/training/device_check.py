"""Checks of the devices that train: LSTM layers, sums over all replicas, a training step that is repeated.

jobs.check runs them, and a run on GPUs in its first seconds: few machines have shown that the layers on cuDNN compute
what the layers on CPUs do.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from preprocessing.errors import InputError
from trainer.data.windows import pad_batch
from trainer.model.network import Layers, build_lstm, character_losses
from trainer.model.optimizer import build_optimizer
from trainer.model.state import copy_state, restore_state
from trainer.runtime.devices import describe_determinism
from trainer.runtime.stop_agreement import StopAgreement
from trainer.training.steps import Steps

log = logging.getLogger(__name__)

SYMBOLS, UNITS, CHARS, ROWS = 11, (16, 8), 12, 8  # of a small model, which needs no GPU memory
IDS = np.random.default_rng(1).integers(0, SYMBOLS, (ROWS, CHARS + 1)).astype(np.uint8)
# Of a logit or a gradient in float32, by the layers that train. cuDNN may compute in TF32 in spite of the switch: its
# products differ by 2e-4. Gates in a wrong order differ by 1e-2.
TOLERANCES: dict[Layers, float] = {"cpu": 1e-4, "keras": 1e-4, "cudnn": 1e-3}


def check_gpus(strategy: tf.distribute.Strategy, *, workers: int) -> None:
    """Check the layers and the sums, and with determinism also the step, and log what was found.

    All workers call this function together. Raises InputError for wrong results, OSError for a wrong sum.
    """
    log.info("LSTM layers: %s", compare_layers("cudnn"))
    log.info("sum over replicas: %s", sum_ones(strategy))
    if describe_determinism() == "yes":
        log.info("training step twice: %s", repeat_step(strategy, "cudnn", workers=workers))


def compare_layers(layers: Layers) -> str:
    """Compare logits and gradients of the `layers` that train here with other layers of the same weights, in float32.

    On a GPU the others are the CPU's layers, on a CPU Keras' own. Raises InputError if they differ by more
    than the tolerance.
    """
    reference: Layers = "keras" if layers == "cpu" else "cpu"
    with _float32():
        trained, other = _build(layers), _build(reference)
        other.set_weights(trained.get_weights())
        pairs = zip(_compute(trained), _compute(other), strict=True)
        difference = max(float(np.abs(first - second).max()) for first, second in pairs)
    if not difference <= TOLERANCES[layers]:  # not >, so that NaN fails too
        raise InputError(f"differ by {difference:.1e}, expected {TOLERANCES[layers]} at most: do not train here")
    return f"logits and gradients within {difference:.0e} of {'Keras' if reference == 'keras' else 'the CPU layer'}"


def sum_ones(strategy: tf.distribute.Strategy) -> str:
    """Sum a one of each replica, on all workers. Raises OSError for a wrong sum."""
    replicas = strategy.num_replicas_in_sync

    def one() -> tf.Tensor:
        return tf.constant(1.0)

    @tf.function
    def add() -> tf.Tensor:
        return strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(one), axis=None)

    total = float(add())
    if total != replicas:
        raise OSError(f"{total:g}, expected {replicas}: with NCCL, try COLLECTIVES=ring")
    return f"{replicas} replica(s)"


def repeat_step(strategy: tf.distribute.Strategy, layers: Layers, *, workers: int) -> str:
    """Train one step twice from the same state, and compare the bits.

    Raises InputError for a loss that is no number, and for other bits with determinism.
    """
    with strategy.scope():
        model = _build(layers)
        optimizer = build_optimizer(learning_rate=0.01, schedule="constant", warmup_steps=0, steps=2)
        optimizer.build(model.trainable_variables)
    rows = ROWS * strategy.num_replicas_in_sync
    options: dict[str, Any] = {"objective": "every", "clip_norm": 5.0, "batch_windows": rows}
    if describe_determinism() == "yes":
        options["scatter"] = layers == "cpu"  # as in the run
    steps = Steps(strategy, model, optimizer, agreement=StopAgreement(strategy, workers=workers), **options)
    batch, start = pad_batch(np.tile(IDS, (rows // ROWS, 1)), rows), copy_state(model, optimizer)
    ends = []
    for _ in range(2):
        restore_state(start, model, optimizer)
        loss = float(steps.train(batch))
        ends.append(copy_state(model, optimizer))
    if not np.isfinite(loss):
        raise InputError(f"the loss is {loss}: do not train here")
    if all(np.array_equal(array, ends[1][name]) for name, array in ends[0].items()):
        return f"loss {loss:.3f} nats, the same bits"
    if describe_determinism() == "yes":
        raise InputError("other bits the second time, though deterministic: a resumed run would differ")
    return f"loss {loss:.3f} nats, other bits the second time; deterministic=true may mend it"


@contextmanager
def _float32() -> Iterator[None]:
    """Compute in float32 without TF32 within the block."""
    policy, tf32 = keras.mixed_precision.dtype_policy(), tf.config.experimental.tensor_float_32_execution_enabled()
    keras.mixed_precision.set_global_policy("float32")
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(policy)
        tf.config.experimental.enable_tensor_float_32_execution(tf32)


def _build(layers: Layers) -> keras.Model:
    return build_lstm(symbols=SYMBOLS, lstm_units=UNITS, embedding_units=0, layers=layers)


def _compute(model: keras.Model) -> list[npt.NDArray[np.float32]]:
    """Return the logits [ROWS, CHARS, SYMBOLS] and the gradient of each weight."""

    @tf.function
    def compute(ids: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            logits = model(ids[:, :-1], training=True)
            loss = tf.reduce_mean(character_losses(logits, ids, "every"))
        return [logits, *tape.gradient(loss, model.trainable_variables)]

    return [tensor.numpy() for tensor in compute(tf.constant(IDS))]
