"""Warm start: initial weights from another run or a Keras file, matched symbol by symbol."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from preprocessing.dataset.folder import load_vocabulary
from preprocessing.dataset.manifest import Manifest
from preprocessing.dataset.vocabulary import Vocabulary
from preprocessing.errors import InputError
from preprocessing.storage.bucket import local_file
from preprocessing.storage.urls import split_url
from trainer.config import TrainConfig
from trainer.model.state import WEIGHTS, Arrays, restore_state
from trainer.runs.checkpoints import read_newest
from trainer.runs.folder import open_run
from trainer.training.keras_weights import HDF5, KERNEL, LOGITS_BIAS, LOGITS_KERNEL, ZIP, read_keras_weights

EMBEDDING = "embedding/embeddings"


def warm_start(model: keras.Model, config: TrainConfig, manifest: Manifest, scratch: Path) -> None:
    """Set the model's weights to the weights of the run or the Keras file that `warm_start` names."""
    url = config.warm_start
    if is_keras_file(url):
        source = load_vocabulary(config.warm_start_vocabulary)
        if source is None:
            raise InputError("warm_start_vocabulary=auto: expected seed or the URL of a symbol table")
        arrays = _download(url, scratch)
    else:
        run = open_run(url)
        source = run.manifest.symbols()
        _, arrays = read_newest(run.bucket, scratch)
    shapes = {variable.path: tuple(variable.shape) for variable in model.weights}
    restore_state(
        match_symbols(arrays, source=source, target=manifest.symbols(), shapes=shapes, where=url), model, None
    )


def is_keras_file(url: str) -> bool:
    """Return whether `url` is a file of weights, whatever its name. False for a folder, or for nothing."""
    if url.lower().endswith((".h5", ".hdf5", ".keras")):
        return True  # a missing or damaged file of this name gets a message of its own
    try:
        bucket, name = split_url(url.rstrip("/"))
        return bucket.read_range(name, 0, len(HDF5)).startswith((HDF5, ZIP))
    except (FileNotFoundError, InputError):
        return False


def match_symbols(
    arrays: Arrays, *, source: Vocabulary, target: Vocabulary, shapes: Mapping[str, Sequence[int]], where: str
) -> dict[str, npt.NDArray[Any]]:
    """Return the source model's weights with each symbol's rows and columns at the symbol's id in `target`.

    `shapes` has the shape of each expected weight by name. Symbols that only the source has are left out.
    Raises InputError, which names `where`, if the source lacks a symbol, or if a weight is missing, left over or of
    another shape.
    """
    absent = [symbol for symbol in target.symbols if symbol not in source.symbols]
    if absent:
        raise InputError(f"warm_start={where}: no symbol {absent[0]!r} in its vocabulary, which the dataset has")
    ids = [source.symbols.index(symbol) for symbol in target.symbols]
    weights = {name.removeprefix(WEIGHTS): a for name, a in arrays.items() if name.startswith(WEIGHTS)}
    if weights.keys() != shapes.keys():
        raise InputError(f"warm_start={where}: has {_layers(weights)}, expected {_layers(shapes)}")
    first = EMBEDDING if EMBEDDING in shapes else KERNEL.format(0)
    for name, axis in ((first, 0), (LOGITS_KERNEL, 1), (LOGITS_BIAS, 0)):
        if weights[name].shape[axis] != len(source):
            raise InputError(
                f"warm_start={where}: {name} has {weights[name].shape[axis]} symbols, expected {len(source)}"
            )
        weights[name] = np.take(weights[name], ids, axis)
    for name, shape in shapes.items():
        if weights[name].shape != tuple(shape):
            raise InputError(f"warm_start={where}: {name} has shape {weights[name].shape}, expected {tuple(shape)}")
    return {WEIGHTS + name: array for name, array in weights.items()}


def _download(url: str, scratch: Path) -> Arrays:
    bucket, name = split_url(url)
    try:
        with local_file(bucket, name, scratch) as path:
            return read_keras_weights(path, where=url)
    except FileNotFoundError:
        raise InputError(f"warm_start={url}: no such file") from None


def _layers(shapes: Mapping[str, Any]) -> str:
    return ", ".join(dict.fromkeys(name.split("/")[0] for name in sorted(shapes))) or "no layers"
