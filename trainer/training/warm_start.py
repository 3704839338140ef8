"""First weights from another model: matched by symbol, from a checkpoint's arrays or a Keras 2 weights file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from preprocessing.dataset.vocabulary import Vocabulary
from preprocessing.errors import InputError
from trainer.model.state import WEIGHTS, Arrays

KERNEL, RECURRENT, BIAS = "lstm_{}/lstm_cell/kernel", "lstm_{}/lstm_cell/recurrent_kernel", "lstm_{}/lstm_cell/bias"
EMBEDDING, LOGITS_KERNEL, LOGITS_BIAS = "embedding/embeddings", "logits/kernel", "logits/bias"


def matched(
    arrays: Arrays, *, theirs: Vocabulary, ours: Vocabulary, expected: Mapping[str, Sequence[int]], place: str
) -> dict[str, npt.NDArray[Any]]:
    """Their weights for our model: the rows and columns of each symbol brought to our id of it.

    `expected` are the shapes of our weights by name. Symbols that only they have are left out. InputError,
    naming `place`, if a symbol of ours is not theirs or a weight is missing, left over or of another shape.
    """
    absent = [symbol for symbol in ours.symbols if symbol not in theirs.symbols]
    if absent:
        raise InputError(f"warm_start={place}: no symbol {absent[0]!r} in its vocabulary, which the dataset has")
    ids = [theirs.symbols.index(symbol) for symbol in ours.symbols]
    weights = {name.removeprefix(WEIGHTS): a for name, a in arrays.items() if name.startswith(WEIGHTS)}
    if weights.keys() != expected.keys():
        raise InputError(f"warm_start={place}: has {_layers(weights)}, expected {_layers(expected)}")
    first = EMBEDDING if EMBEDDING in expected else KERNEL.format(0)
    for name, axis in ((first, 0), (LOGITS_KERNEL, 1), (LOGITS_BIAS, 0)):
        if weights[name].shape[axis] != len(theirs):
            raise InputError(
                f"warm_start={place}: {name} has {weights[name].shape[axis]} symbols, expected {len(theirs)}"
            )
        weights[name] = np.take(weights[name], ids, axis)
    for name, shape in expected.items():
        if weights[name].shape != tuple(shape):
            raise InputError(f"warm_start={place}: {name} has shape {weights[name].shape}, expected {tuple(shape)}")
    return {WEIGHTS + name: array for name, array in weights.items()}


def read_keras2(path: Path, *, place: str) -> dict[str, npt.NDArray[Any]]:
    """A Keras 2 HDF5 weights file (or whole model) of LSTM layers and one Dense, as arrays by our names.

    Keras 2 and 3 keep the gates in one order (i, f, c, o). The file does not say which function its gates use:
    ours is the sigmoid, Keras' own since 2.3; before, it was hard_sigmoid, whose weights are only a start.
    """
    try:
        with h5py.File(path, "r") as file:
            root = file.get("model_weights", file)
            layers = [_weights(root[_text(name)]) for name in root.attrs["layer_names"]]
    except (OSError, KeyError) as error:
        raise InputError(f"warm_start={place}: not a Keras 2 weights file: {error}") from None
    layers = [layer for layer in layers if layer]
    *lstms, dense = layers or [[]]
    if not lstms or len(dense) != 2 or any(len(lstm) != 3 for lstm in lstms):
        found = [len(layer) for layer in layers]
        raise InputError(f"warm_start={place}: layers of {found} weights, expected 3 for each LSTM and 2 for a Dense")
    named = {LOGITS_KERNEL: dense[0], LOGITS_BIAS: dense[1]}
    for number, lstm in enumerate(lstms):
        named |= {key.format(number): w for key, w in zip((KERNEL, RECURRENT, BIAS), lstm, strict=True)}
    return {WEIGHTS + name: array for name, array in named.items()}


def _weights(layer: h5py.Group) -> list[npt.NDArray[Any]]:
    return [np.asarray(layer[_text(name)], np.float32) for name in layer.attrs["weight_names"]]


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _layers(shapes: Mapping[str, Any]) -> str:
    return ", ".join(dict.fromkeys(name.split("/")[0] for name in sorted(shapes))) or "no layers"
