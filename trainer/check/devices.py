"""Checks of the devices that train: GPUs or CPU, LSTM layers, a training step, sums over all replicas."""

from collections.abc import Iterator
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from preprocessing.errors import InputError
from trainer.check.check import Check
from trainer.data.windows import pad_batch
from trainer.model.network import build_lstm, build_optimizer, character_losses
from trainer.model.state import copy_state, restore_state
from trainer.runtime.devices import configure_devices, describe_determinism, require_gpus, require_supported_gpus
from trainer.runtime.machine import describe_machine
from trainer.runtime.stop_agreement import StopAgreement
from trainer.runtime.strategy import create_strategy
from trainer.runtime.workers import Workers
from trainer.training.steps import Steps

SYMBOLS, UNITS, CHARS, ROWS = 11, (16, 8), 12, 8  # of a small model, which needs no GPU memory
# Of a logit or a gradient in float32. Sums in another order differ by 1e-6; gates in a wrong order differ by 1e-2.
TOLERANCE = 1e-4


class DeviceChecks:
    """The checks of this worker's devices, in this order: the first one opens the devices."""

    def __init__(self, workers: Workers, *, min_gpus: int, deterministic: bool | Literal["auto"] = "auto") -> None:
        self._workers, self._min_gpus, self._deterministic = workers, min_gpus, deterministic
        self._cudnn = False
        self._strategy: tf.distribute.Strategy | None = None
        self._ids = np.random.default_rng(1).integers(0, SYMBOLS, (ROWS, CHARS + 1)).astype(np.uint8)

    def __iter__(self) -> Iterator[Check]:
        yield Check("devices", self.find)
        yield Check("LSTM layers", self.compare_layers)
        yield Check("sum over replicas", self.sum_ones)
        yield Check("training step twice", self.repeat_step)

    def find(self) -> str:
        """Open the devices. Return their names, versions and precision."""
        require_supported_gpus()
        require_gpus(self._min_gpus)
        self._strategy = create_strategy(self._workers)
        self._cudnn = configure_devices("auto", seed=1, deterministic=self._deterministic)
        facts = describe_machine()
        names = ("GPUs", "GPU driver", "CPU", "cores", "memory", "tensorflow")
        cudnn = tf.sysconfig.get_build_info().get("cudnn_version", "none")
        shown = [f"{name} {facts[name]}" for name in names if name in facts]
        return ", ".join([*shown, f"cuDNN {cudnn}", f"precision {keras.mixed_precision.dtype_policy().name}"])

    def compare_layers(self) -> str:
        """Compare logits and gradients of the layers that train here with other layers of the same weights.

        On a GPU: cuDNN beside the CPU layer. On a CPU: the CPU layer beside Keras' own. In float32.
        """
        policy = keras.mixed_precision.dtype_policy()
        keras.mixed_precision.set_global_policy("float32")
        tf.config.experimental.enable_tensor_float_32_execution(False)
        try:
            trained, other = (self._build(cudnn) for cudnn in ((True, False) if self._cudnn else (False, True)))
            other.set_weights(trained.get_weights())
            differences = [
                float(np.abs(first - second).max())
                for first, second in zip(self._compute(trained), self._compute(other), strict=True)
            ]
        finally:
            keras.mixed_precision.set_global_policy(policy)
            tf.config.experimental.enable_tensor_float_32_execution(True)
        if not max(differences) <= TOLERANCE:  # not >, so that NaN fails too
            raise InputError(f"differ by {max(differences):.1e}, expected {TOLERANCE} at most: do not train here")
        return f"logits and gradients within {max(differences):.0e} of {'the CPU layer' if self._cudnn else 'Keras'}"

    def sum_ones(self) -> str:
        """Sum a one of each replica, on all workers."""
        strategy = self._opened()
        replicas = strategy.num_replicas_in_sync
        total = tf.function(
            lambda: strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(lambda: tf.constant(1.0)), axis=None)
        )()
        if float(total) != replicas:
            raise OSError(f"{float(total):g}, expected {replicas}: with NCCL, try COLLECTIVES=ring")
        return f"{replicas} replica(s) of {self._workers.count} worker(s)"

    def repeat_step(self) -> str:
        """Train one step twice from the same state, and compare the bits."""
        strategy = self._opened()
        with strategy.scope():
            model = self._build(self._cudnn)
            optimizer = build_optimizer(learning_rate=0.01, schedule="constant", warmup_steps=0, steps=2)
            optimizer.build(model.trainable_variables)
        replicas = strategy.num_replicas_in_sync
        agreement = StopAgreement(strategy, workers=self._workers.count)
        options = {"objective": "every", "clip_norm": 5.0, "batch_windows": ROWS * replicas}
        steps = Steps(strategy, model, optimizer, agreement=agreement, **options)
        batch, start = pad_batch(np.tile(self._ids, (replicas, 1)), ROWS * replicas), copy_state(model, optimizer)
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

    def _opened(self) -> tf.distribute.Strategy:
        if self._strategy is None:
            raise OSError("the devices could not be opened: see the check of the devices")
        return self._strategy

    def _build(self, cudnn: bool) -> keras.Model:
        # Keras' own layer runs on cuDNN if there is one, and is the reference on a CPU.
        return build_lstm(
            symbols=SYMBOLS, lstm_units=UNITS, embedding_units=0, cudnn=cudnn if self._cudnn or not cudnn else "auto"
        )

    def _compute(self, model: keras.Model) -> list[np.ndarray]:
        """Return the logits [ROWS, CHARS, SYMBOLS] and the gradient of each weight."""

        @tf.function
        def compute(ids: tf.Tensor) -> list[tf.Tensor]:
            with tf.GradientTape() as tape:
                logits = model(ids[:, :-1], training=True)
                loss = tf.reduce_mean(character_losses(logits, ids, "every"))
            return [logits, *tape.gradient(loss, model.trainable_variables)]

        return [tensor.numpy() for tensor in compute(tf.constant(self._ids))]
