"""What the machine decides of a run, and where its first weights come from."""

import logging
import math
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from jobs import schema
from jobs.inputs import load_vocabulary, split_url
from jobs.run import open_run
from jobs.workers import ALONE, Workers, meet
from preprocessing.errors import InputError
from preprocessing.manifest import Manifest
from trainer import model, precision, warm_start
from trainer.checkpoints import Checkpoints, newest
from trainer.replicas import mirrored, of_the_chief, over_workers
from trainer.state import Arrays, restore, snapshot

log = logging.getLogger(__name__)

HDF5 = (".h5", ".hdf5")
STEP, VALIDATION = "step", "validation"  # beside the arrays that the chief sends


def replicas(workers: Workers = ALONE, should_stop: Callable[[], bool] = lambda: False) -> tf.distribute.Strategy:
    """One replica for each GPU of all workers; of a process alone without any, for each logical CPU device.

    Waits for the other workers; raises what `meet` raises.
    """
    if workers.count > 1:
        log.info("worker %d of %s", workers.index, ", ".join(workers.hosts))
        meet(workers, should_stop)
        os.environ["TF_CONFIG"] = workers.tf_config()
        return over_workers()
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return mirrored([device.name for device in devices])


def set_up(setting: str, *, seed: int) -> bool:
    """Sets precision, seed and, on a CPU, determinism for the process; whether LSTMs run on cuDNN."""
    gpus = len(tf.config.list_physical_devices("GPU"))  # of this machine, not of the other workers'
    policy, reason = precision.choose(setting, gpus=gpus, cpu_flags=precision.cpu_flags())
    log.info("%d GPU(s), precision %s: %s", gpus, policy, reason)
    keras.mixed_precision.set_global_policy(policy)
    keras.utils.set_random_seed(seed)
    if not gpus:
        # A run killed and continued must end with the same bits. On a GPU, cuDNN makes no such promise.
        tf.config.experimental.enable_op_determinism()
    return bool(gpus)


def build(run: schema.Model, dataset: Manifest, *, cudnn: bool = False) -> keras.Model:
    """The model that a run's configuration and its dataset's vocabulary describe."""
    return model.build(
        symbols=len(dataset.vocabulary),
        lstm_units=run.lstm_units,
        embedding_units=run.embedding_units,
        cudnn=cudnn,
    )


@dataclass(frozen=True)
class Start:
    """After how many steps a run goes on; its losses since the last row of metrics, and the validation loss of this
    step where it is known, in nats per character."""

    step: int = 0
    losses: tuple[float, ...] = ()
    validation: float | None = None


def begin(
    net: keras.Model,
    optimizer: Any,
    checkpoints: Checkpoints,
    config: schema.Train,
    manifest: Manifest,
    *,
    strategy: tf.distribute.Strategy,
    who: Workers,
    scratch: Path,
) -> Start:
    """Sets the weights and the optimizer: to the newest checkpoint, else `warm_start`, else as they are.

    The chief does, and sends all of it to the other workers, which may not find the same in the run's folder.
    """
    start = Start()
    saved = checkpoints.restore() if who.chief else None
    if saved is not None:
        restore(saved.arrays, net, optimizer)
        start = Start(saved.step, saved.losses, saved.validation)
        log.info("continuing after step %d", start.step)
    elif config.warm_start and who.chief:
        first_weights(net, config, manifest, scratch)
        log.info("first weights from %s", config.warm_start)
    if who.count == 1:
        return start
    validation = np.array(math.nan if start.validation is None else start.validation)
    state = snapshot(net, optimizer) | {STEP: np.array(start.step), VALIDATION: validation}
    arrays = of_the_chief(strategy, state)
    restore(arrays, net, optimizer)
    known = float(arrays[VALIDATION])
    return Start(int(arrays[STEP]), start.losses, None if math.isnan(known) else known)


def first_weights(net: keras.Model, config: schema.Train, manifest: Manifest, scratch: Path) -> None:
    """Sets the model's weights to those of `warm_start`, a run or a Keras 2 weights file."""
    url = config.warm_start
    if url.endswith(HDF5):
        theirs = load_vocabulary(config.warm_start_vocabulary)
        if theirs is None:
            raise InputError("warm_start_vocabulary=auto: expected seed or the URL of a symbol table")
        folder, name = split_url(url)
        with tempfile.TemporaryDirectory(dir=scratch) as local:
            path = Path(local, "weights.h5")
            try:
                folder.download(name, path)
            except FileNotFoundError:
                raise InputError(f"warm_start={url}: no such file") from None
            arrays: Arrays = warm_start.read_keras2(path, place=url)
    else:
        other = open_run(url)
        theirs = other.manifest.symbols()
        arrays = newest(other.bucket, scratch).arrays
    expected = {variable.path: tuple(variable.shape) for variable in net.weights}
    weights = warm_start.matched(arrays, theirs=theirs, ours=manifest.symbols(), expected=expected, place=url)
    restore(weights, net, None)
