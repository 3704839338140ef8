"""The state that a step changes, as named arrays: the content of a checkpoint."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from preprocessing.errors import InputError

Arrays = Mapping[str, npt.NDArray[Any]]

WEIGHTS, OPTIMIZER = "weights/", "optimizer/"


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


def _variables(model: keras.Model, optimizer: Any | None) -> dict[str, Any]:
    named = {WEIGHTS + v.path: v for v in model.weights}
    if optimizer is not None:
        named |= {OPTIMIZER + v.path: v for v in optimizer.variables}
        if len(named) != len(model.weights) + len(optimizer.variables):
            raise ValueError("two variables have one name")
    return named
