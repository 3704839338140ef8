"""What the machine decides of a model: its replicas, its precision and its kernels."""

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from preprocessing.dataset.manifest import Manifest
from preprocessing.errors import InputError
from trainer.config import ModelConfig
from trainer.model import network
from trainer.model.state import restore
from trainer.runs.checkpoint_index import Saved
from trainer.runs.checkpoints import newest_saved
from trainer.runs.folder import Run
from trainer.runtime import precision
from trainer.runtime.strategy import mirrored, of_the_chief, over_workers
from trainer.runtime.workers import ALONE, Workers, wait_for_all

log = logging.getLogger(__name__)


def replicas(workers: Workers = ALONE, should_stop: Callable[[], bool] = lambda: False) -> tf.distribute.Strategy:
    """One replica for each GPU of all workers; of a process alone without any, for each logical CPU device.

    Waits for the other workers; raises what `wait_for_all` raises.
    """
    if workers.count > 1:
        log.info("worker %d of %s", workers.index, ", ".join(workers.hosts))
        wait_for_all(workers, should_stop)
        os.environ["TF_CONFIG"] = workers.tf_config()
        return over_workers()
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return mirrored([device.name for device in devices])


def require_gpus(least: int) -> None:
    """OSError where this machine has fewer: a driver that is missing on one node may be there on another."""
    found = len(tf.config.list_physical_devices("GPU"))
    if found < least:
        raise OSError(
            f"min_gpus={least}: TensorFlow finds {found} GPU(s): no driver, too few in the pod's limits, or an image "
            "of the CPU flavour"
        )


def set_up(setting: str, *, seed: int, only_reading: bool = False) -> bool:
    """Sets precision, seed and, on a CPU, determinism for the process; whether LSTMs run on cuDNN.

    `only_reading`: a run that is not trained, on another machine perhaps than it was.
    """
    gpus = len(tf.config.list_physical_devices("GPU"))  # of this machine, not of the other workers'
    flags = precision.cpu_flags()
    policy, reason = precision.choose(setting, gpus=gpus, cpu_flags=flags, only_reading=only_reading)
    log.info("%d GPU(s), precision %s: %s", gpus, policy, reason)
    keras.mixed_precision.set_global_policy(policy)
    keras.utils.set_random_seed(seed)
    if not gpus:
        # A run killed and continued must end with the same bits. On a GPU, cuDNN makes no such promise.
        tf.config.experimental.enable_op_determinism()
    return bool(gpus)


def same_as_the_chief(strategy: tf.distribute.Strategy, workers: Workers, identity: str) -> None:
    """InputError in a worker that would train another run than the chief: of another identity or precision.

    Such workers would fail in each other's sums, or go on with weights that are no longer the same.
    """
    if workers.count == 1:
        return
    policy = keras.mixed_precision.dtype_policy().name
    own = np.frombuffer(hashlib.sha256(f"{identity} {policy}".encode()).digest(), np.uint8).astype(np.int64)
    if (of_the_chief(strategy, {"identity": own})["identity"] != own).any():
        raise InputError(
            f"worker {workers.index}: its configuration, dataset or precision ({policy}) is not that of worker 0, "
            "and they train one run together"
        )


def build(config: ModelConfig, manifest: Manifest, *, cudnn: bool | Literal["auto"] = False) -> keras.Model:
    """The model that a run's configuration and its dataset's vocabulary describe."""
    return network.build(
        symbols=len(manifest.vocabulary),
        lstm_units=config.lstm_units,
        embedding_units=config.embedding_units,
        cudnn=cudnn,
    )


def trained(run: Run) -> keras.Model:
    """The run's model with its newest whole checkpoint's weights, set up for this machine; InputError without one."""
    return loaded(run)[1]


def loaded(run: Run) -> tuple[Saved, keras.Model]:
    """The same with what the run's pointer says of the checkpoint."""
    cudnn = set_up(run.config.precision, seed=run.config.seed, only_reading=True)
    with tempfile.TemporaryDirectory(prefix="weights-") as scratch:
        saved, snapshot = newest_saved(run.bucket, Path(scratch))
    net = build(run.config.model, run.manifest, cudnn=cudnn)
    restore(snapshot.arrays, net, None)
    return saved, net
