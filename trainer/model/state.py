"""The state that a step changes, as named arrays: the content of a checkpoint."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from preprocessing.errors import InputError

Arrays = Mapping[str, npt.NDArray[Any]]

WEIGHTS, OPTIMIZER, CARRIED = "weights/", "optimizer/", "carried/"


def copy_state(model: keras.Model, optimizer: Any) -> dict[str, npt.NDArray[Any]]:
    """Copy the weights and the optimizer's variables to the host. A later step does not change the copies."""
    return {name: np.array(keras.ops.convert_to_numpy(v)) for name, v in _variables(model, optimizer).items()}


def restore_state(arrays: Arrays, model: keras.Model, optimizer: Any | None) -> None:
    """Set the variables to the arrays; without an optimizer, only the weights.

    Raises InputError with the name and both shapes if an array is missing or does not fit.
    """
    for name, variable in _variables(model, optimizer).items():
        if name not in arrays:
            raise InputError(f"{name} {tuple(variable.shape)} is not in the checkpoint")
        if arrays[name].shape != tuple(variable.shape):
            raise InputError(f"{name} has shape {arrays[name].shape}, expected {tuple(variable.shape)}")
        variable.assign(arrays[name])


def copy_carried(state: Sequence[tf.Tensor]) -> dict[str, npt.NDArray[Any]]:
    """Copy to the host what the rows of a batch carry: for each LSTM layer [2, B, H] float32."""
    return {f"{CARRIED}{number}": layer.numpy() for number, layer in enumerate(state)}


def read_carried(arrays: Arrays, zero: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Return the state in `arrays`, or `zero` if there is none: a checkpoint between two segments.

    Raises InputError with both shapes if an array does not fit.
    """
    found = [arrays.get(f"{CARRIED}{number}", layer.numpy()) for number, layer in enumerate(zero)]
    for number, (array, layer) in enumerate(zip(found, zero, strict=True)):
        if array.shape != tuple(layer.shape):
            raise InputError(f"{CARRIED}{number} has shape {array.shape}, expected {tuple(layer.shape)}")
    return [tf.constant(array) for array in found]


def _variables(model: keras.Model, optimizer: Any | None) -> dict[str, Any]:
    named = {WEIGHTS + v.path: v for v in model.weights}
    if optimizer is not None:
        named |= {OPTIMIZER + v.path: v for v in optimizer.variables}
        if len(named) != len(model.weights) + len(optimizer.variables):
            raise ValueError("two variables have one name")
    return named
