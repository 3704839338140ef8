"""Checks of this worker's devices: GPUs or CPU, then what trainer.training.device_check computes on them."""

from collections.abc import Callable, Iterator

import keras
import tensorflow as tf

from trainer.check.check import Check, SkippedError
from trainer.config import TrainConfig
from trainer.model.network import Layers
from trainer.runtime.devices import configure_devices, require_gpus, require_supported_gpus
from trainer.runtime.machine import describe_machine
from trainer.runtime.strategy import create_strategy
from trainer.runtime.workers import Workers
from trainer.training.device_check import compare_layers, repeat_step, sum_ones

FACTS = ("GPUs", "GPU driver", "CPU", "cores", "memory", "tensorflow")


class DeviceChecks:
    """The checks in this order: the first one opens the devices."""

    def __init__(self, read_workers: Callable[[], Workers], config: TrainConfig) -> None:
        self._read_workers, self._config = read_workers, config
        self._workers = 1
        self._layers: Layers = "cpu"
        self._strategy: tf.distribute.Strategy | None = None

    def __iter__(self) -> Iterator[Check]:
        yield Check("devices", self.find)
        yield Check("LSTM layers", self.compare_layers)
        yield Check("sum over replicas", self.sum_ones)
        yield Check("training step twice", self.repeat_step)

    def find(self) -> str:
        """Open the devices. Return their names, versions and precision."""
        workers = self._read_workers()
        require_supported_gpus()
        require_gpus(self._config.min_gpus)
        config = self._config
        self._strategy, self._workers = (
            create_strategy(workers, cpu_replicas=config.cpu_replicas, batch_windows=config.batch_windows),
            workers.count,
        )
        self._layers = configure_devices(self._config.precision, seed=1, deterministic=self._config.deterministic)
        facts = describe_machine()
        cudnn = tf.sysconfig.get_build_info().get("cudnn_version", "none")
        shown = [f"{name} {facts[name]}" for name in FACTS if name in facts]
        return ", ".join([*shown, f"cuDNN {cudnn}", f"precision {keras.mixed_precision.dtype_policy().name}"])

    def compare_layers(self) -> str:
        """Compare the layers that train here with other layers. Computes on this worker alone."""
        self._opened()
        return compare_layers(self._layers)

    def sum_ones(self) -> str:
        """Sum a one of each replica, on all workers."""
        return f"{sum_ones(self._opened())} of {self._workers} worker(s)"

    def repeat_step(self) -> str:
        """Train one step twice from the same state, and compare the bits."""
        return repeat_step(self._opened(), self._layers, workers=self._workers)

    def _opened(self) -> tf.distribute.Strategy:
        if self._strategy is None:
            raise SkippedError("the devices could not be opened")
        return self._strategy
