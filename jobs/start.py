"""What the machine decides of a run, and where its first weights come from."""

import logging
import tempfile
from pathlib import Path

import keras
import tensorflow as tf

from jobs import schema
from jobs.inputs import load_vocabulary, split_url
from jobs.run import open_run
from preprocessing.errors import InputError
from preprocessing.manifest import Manifest
from trainer import checkpoints, model, precision, warm_start
from trainer.replicas import mirrored
from trainer.state import Arrays, restore

log = logging.getLogger(__name__)

HDF5 = (".h5", ".hdf5")


def replicas() -> tf.distribute.Strategy:
    """One replica for each GPU of the machine; without any, for each logical CPU device, of which there is one."""
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return mirrored([device.name for device in devices])


def set_up(setting: str, *, seed: int) -> bool:
    """Sets precision, seed and, on a CPU, determinism for the process; whether LSTMs run on cuDNN."""
    gpus = len(tf.config.list_logical_devices("GPU"))
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
        _, arrays = checkpoints.newest(other.bucket, scratch)
    expected = {variable.path: tuple(variable.shape) for variable in net.weights}
    weights = warm_start.matched(arrays, theirs=theirs, ours=manifest.symbols(), expected=expected, place=url)
    restore(weights, net, None)
