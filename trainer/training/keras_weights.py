"""Weights files of Keras, as arrays with this project's names: HDF5 of Keras 2, HDF5 of Keras 2.13 to 3, and `.keras`.

The first bytes tell the format. Nothing but arrays is read: no configuration, no pickle. All versions of Keras keep the
gates in one order (i, f, c, o). No file says which function its gates use. Here it is the sigmoid, Keras' default since
2.3; weights trained with the older default, hard_sigmoid, are only a rough start.
"""

import io
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from preprocessing.errors import InputError
from trainer.model.state import WEIGHTS

HDF5, ZIP = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"  # the first bytes of a file
KERNEL, RECURRENT, BIAS = "lstm_{}/lstm_cell/kernel", "lstm_{}/lstm_cell/recurrent_kernel", "lstm_{}/lstm_cell/bias"
LOGITS_KERNEL, LOGITS_BIAS = "logits/kernel", "logits/bias"
IN_KERAS = "model.weights.h5"  # the weights in a .keras file
GROUPS = ("layers", "_layer_checkpoint_dependencies")  # of the layers, since Keras 2.13, and before

Layer = list[npt.NDArray[Any]]


def read_keras_weights(path: Path, *, where: str) -> dict[str, npt.NDArray[Any]]:
    """Return the weights of a file of LSTM layers and one Dense layer. The file may hold weights only or a whole model.

    Raises InputError, which names `where`, if the file is damaged, has other layers or a weight that is not finite.
    """
    try:
        with _open(path) as file:
            group = next((name for name in GROUPS if name in file), None)
            layers = _read_keras2(file) if group is None else _read_keras3(file[group])
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
        raise InputError(f"warm_start={where}: not a Keras weights file: {' '.join(str(error).split())}") from None
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


def _open(path: Path) -> h5py.File:
    with path.open("rb") as file:
        if file.read(len(ZIP)) != ZIP:
            return h5py.File(path, "r")
    with zipfile.ZipFile(path) as archive:
        return h5py.File(io.BytesIO(archive.read(IN_KERAS)), "r")


def _read_keras2(file: h5py.File) -> list[Layer]:
    """Return the weights of each layer that has any, in the model's order."""
    root = file.get("model_weights", file)
    groups = [root[_text(name)] for name in root.attrs["layer_names"]]
    layers = [[np.asarray(group[_text(name)], np.float32) for name in group.attrs["weight_names"]] for group in groups]
    return [layer for layer in layers if layer]


def _read_keras3(root: h5py.Group) -> list[Layer]:
    """Return the weights of each LSTM in order, then of the other layers.

    A layer's group is named by its class, and by its number among the layers of the class: lstm, lstm_1, lstm_2.
    """

    def number(name: str) -> int:
        digits = re.search(r"_(\d+)$", name)
        return int(digits[1]) if digits else 0

    layers = []
    for inside in ("cell/vars", "vars"):
        for name in sorted(root, key=number):
            variables = root[name].get(inside, {})
            layers.append([np.asarray(variables[key], np.float32) for key in sorted(variables, key=int)])
    return [layer for layer in layers if layer]


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


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
