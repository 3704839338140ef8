"""Warm start: initial weights from another run or a Keras 2 weights file, matched symbol by symbol."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
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

HDF5 = b"\x89HDF\r\n\x1a\n"  # the first bytes of a file
KERNEL, RECURRENT, BIAS = "lstm_{}/lstm_cell/kernel", "lstm_{}/lstm_cell/recurrent_kernel", "lstm_{}/lstm_cell/bias"
EMBEDDING, LOGITS_KERNEL, LOGITS_BIAS = "embedding/embeddings", "logits/kernel", "logits/bias"


def warm_start(model: keras.Model, config: TrainConfig, manifest: Manifest, scratch: Path) -> None:
    """Set the model's weights to the weights of the run or the Keras 2 file that `warm_start` names."""
    url = config.warm_start
    if is_hdf5(url):
        source = load_vocabulary(config.warm_start_vocabulary)
        if source is None:
            raise InputError("warm_start_vocabulary=auto: expected seed or the URL of a symbol table")
        arrays = _download_keras2(url, scratch)
    else:
        run = open_run(url)
        source = run.manifest.symbols()
        _, arrays = read_newest(run.bucket, scratch)
    shapes = {variable.path: tuple(variable.shape) for variable in model.weights}
    restore_state(
        match_symbols(arrays, source=source, target=manifest.symbols(), shapes=shapes, where=url), model, None
    )


def is_hdf5(url: str) -> bool:
    """Return whether `url` is a file of the HDF5 format, whatever its name. False for a folder, or for nothing."""
    if url.lower().endswith((".h5", ".hdf5")):
        return True  # a missing or damaged file of this name gets a message of its own
    try:
        bucket, name = split_url(url.rstrip("/"))
        return bucket.read_start(name, len(HDF5)) == HDF5
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


def read_keras2(path: Path, *, where: str) -> dict[str, npt.NDArray[Any]]:
    """Return a Keras 2 HDF5 file of LSTM layers and one Dense layer as arrays with this project's names.

    The file may hold weights only or a whole model. Keras 2 and 3 keep the gates in one order (i, f, c, o). The file
    does not say which function its gates use. Here it is the sigmoid, Keras' default since 2.3; weights trained with
    the older default, hard_sigmoid, are only a rough start.
    """
    try:
        with h5py.File(path, "r") as file:
            root = file.get("model_weights", file)
            layers = [_weights(root[_text(name)]) for name in root.attrs["layer_names"]]
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"warm_start={where}: not a Keras 2 weights file: {' '.join(str(error).split())}") from None
    layers = [layer for layer in layers if layer]
    *lstms, dense = layers or [[]]
    if not lstms or len(dense) != 2 or any(len(lstm) != 3 for lstm in lstms):
        counts = [len(layer) for layer in layers]
        raise InputError(f"warm_start={where}: layers of {counts} weights, expected 3 for each LSTM and 2 for a Dense")
    named = {LOGITS_KERNEL: dense[0], LOGITS_BIAS: dense[1]}
    for number, lstm in enumerate(map(_convert_cudnn, lstms)):
        named |= {key.format(number): w for key, w in zip((KERNEL, RECURRENT, BIAS), lstm, strict=True)}
    for name, array in named.items():
        if not np.isfinite(array).all():
            raise InputError(f"warm_start={where}: {name} is not finite")
    return {WEIGHTS + name: array for name, array in named.items()}


def _convert_cudnn(lstm: Sequence[npt.NDArray[Any]]) -> Sequence[npt.NDArray[Any]]:
    """Return an LSTM's weights, from those of a CuDNNLSTM layer if they are such.

    CuDNNLSTM has a bias for the input and a bias for the state, which add up. It keeps the matrix of each gate
    transposed, in the shape of the matrix that is not. Source: Keras 2, hdf5_format.py, `_convert_rnn_weights`.
    """
    kernel, recurrent, bias = lstm
    if kernel.ndim != 2 or recurrent.ndim != 2 or bias.shape != (2 * kernel.shape[1],):
        return lstm
    kernel, recurrent = (
        np.hstack([gate.reshape(gate.shape[::-1]).T for gate in np.split(matrix, 4, axis=1)])
        for matrix in (kernel, recurrent)
    )
    return kernel, recurrent, np.sum(np.split(bias, 2), axis=0)


def _download_keras2(url: str, scratch: Path) -> Arrays:
    bucket, name = split_url(url)
    try:
        with local_file(bucket, name, scratch) as path:
            return read_keras2(path, where=url)
    except FileNotFoundError:
        raise InputError(f"warm_start={url}: no such file") from None


def _weights(layer: h5py.Group) -> list[npt.NDArray[Any]]:
    return [np.asarray(layer[_text(name)], np.float32) for name in layer.attrs["weight_names"]]


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _layers(shapes: Mapping[str, Any]) -> str:
    return ", ".join(dict.fromkeys(name.split("/")[0] for name in sorted(shapes))) or "no layers"
