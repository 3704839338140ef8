"""Where a run's first weights come from: its newest checkpoint, else `warm_start`, else chance."""

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from preprocessing.dataset.folder import load_vocabulary
from preprocessing.dataset.manifest import Manifest
from preprocessing.errors import InputError
from preprocessing.storage.bucket import local_file
from preprocessing.storage.urls import split_url
from trainer.config import TrainConfig
from trainer.model.state import Arrays, restore, snapshot
from trainer.runs.checkpoints import Checkpoints, newest
from trainer.runs.folder import open_run
from trainer.runtime.strategy import broadcast_from_chief
from trainer.runtime.workers import Workers
from trainer.training import warm_start

log = logging.getLogger(__name__)

HDF5 = (".h5", ".hdf5")
STEP, VALIDATION = "step", "validation"  # beside the arrays that the chief sends


@dataclass(frozen=True)
class Start:
    """After how many steps a run goes on; its losses since the last row of metrics, and the validation loss of this
    step where it is known, in nats per character."""

    step: int = 0
    losses: tuple[float, ...] = ()
    validation: float | None = None


def set_first_weights(
    net: keras.Model,
    optimizer: Any,
    checkpoints: Checkpoints,
    config: TrainConfig,
    manifest: Manifest,
    *,
    strategy: tf.distribute.Strategy,
    workers: Workers,
    scratch: Path,
) -> Start:
    """Sets the weights and the optimizer: to the newest checkpoint, else `warm_start`, else as they are.

    The chief does, and sends all of it to the other workers, which may not find the same in the run's folder.
    """
    start = Start()
    saved = checkpoints.restore() if workers.chief else None
    if saved is not None:
        restore(saved.arrays, net, optimizer)
        start = Start(saved.step, saved.losses, saved.validation)
        log.info("continuing after step %d", start.step)
    elif config.warm_start and workers.chief:
        _warm_start(net, config, manifest, scratch)
        log.info("first weights from %s", config.warm_start)
    if workers.count == 1:
        return start
    validation = np.array(math.nan if start.validation is None else start.validation)
    state = snapshot(net, optimizer) | {STEP: np.array(start.step), VALIDATION: validation}
    arrays = broadcast_from_chief(strategy, state)
    restore(arrays, net, optimizer)
    known = float(arrays[VALIDATION])
    return Start(int(arrays[STEP]), start.losses, None if math.isnan(known) else known)


def _warm_start(net: keras.Model, config: TrainConfig, manifest: Manifest, scratch: Path) -> None:
    """Sets the model's weights to those of `warm_start`, a run or a Keras 2 weights file."""
    url = config.warm_start
    if url.endswith(HDF5):
        theirs = load_vocabulary(config.warm_start_vocabulary)
        if theirs is None:
            raise InputError("warm_start_vocabulary=auto: expected seed or the URL of a symbol table")
        folder, name = split_url(url)
        try:
            with local_file(folder, name, scratch) as path:
                arrays: Arrays = warm_start.read_keras2(path, place=url)
        except FileNotFoundError:
            raise InputError(f"warm_start={url}: no such file") from None
    else:
        other = open_run(url)
        theirs = other.manifest.symbols()
        arrays = newest(other.bucket, scratch).arrays
    expected = {variable.path: tuple(variable.shape) for variable in net.weights}
    weights = warm_start.matched(arrays, theirs=theirs, ours=manifest.symbols(), expected=expected, place=url)
    restore(weights, net, None)
