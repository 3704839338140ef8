"""Weights files of Keras 3, written by Keras itself. test_warm_start.py has those of Keras 2."""

import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from preprocessing.errors import InputError
from trainer.model.state import WEIGHTS
from trainer.training.keras_weights import read_keras_weights

SYMBOLS, UNITS = 5, (8, 6, 4)


def sequential() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((None, SYMBOLS)),
            *(keras.layers.LSTM(units, return_sequences=True, dropout=0.1) for units in UNITS),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(SYMBOLS, activation="softmax"),
        ]
    )


def functional() -> keras.Model:
    hidden = inputs = keras.Input((None, SYMBOLS), name="zeroth")
    for number, units in enumerate(UNITS):
        hidden = keras.layers.LSTM(units, return_sequences=True, name=f"{9 - number}_layer")(hidden)
    return keras.Model(inputs, keras.layers.Dense(SYMBOLS, name="a_dense")(hidden))


@pytest.mark.parametrize("build", [sequential, functional])
@pytest.mark.parametrize("name", ["w.weights.h5", "model.keras"])
@pytest.mark.parametrize("compiled", [False, True])
def test_weights_of_keras_3_are_read_in_the_model_s_order(
    tmp_path: Path, build: object, name: str, compiled: bool
) -> None:
    model = build()  # type: ignore[operator]
    if compiled:  # then the file also holds the optimizer
        model.compile("adam", "categorical_crossentropy")
    path = tmp_path / name
    (model.save if name.endswith(".keras") else model.save_weights)(path)
    found = read_keras_weights(path.rename(tmp_path / "weights"), where=name)
    weights = [weight for weight in model.get_weights() if weight.dtype == np.float32]  # no seeds of dropout
    kinds = ("kernel", "recurrent_kernel", "bias")
    names = [f"{WEIGHTS}lstm_{number}/lstm_cell/{kind}" for number in range(3) for kind in kinds]
    expected = dict(zip([*names, f"{WEIGHTS}logits/kernel", f"{WEIGHTS}logits/bias"], weights, strict=True))
    assert found.keys() == expected.keys()
    for key, array in expected.items():
        np.testing.assert_array_equal(found[key], array, err_msg=key)


def test_more_than_ten_layers_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    layers = [keras.layers.LSTM(2, return_sequences=True) for _ in range(12)]
    model = keras.Sequential([keras.Input((None, SYMBOLS)), *layers, keras.layers.Dense(SYMBOLS)])
    model.save_weights(tmp_path / "w.weights.h5")
    found = read_keras_weights(tmp_path / "w.weights.h5", where="w")
    np.testing.assert_array_equal(found[f"{WEIGHTS}lstm_11/lstm_cell/kernel"], layers[11].get_weights()[0])
    np.testing.assert_array_equal(found[f"{WEIGHTS}lstm_2/lstm_cell/kernel"], layers[2].get_weights()[0])


def test_other_layers_and_damaged_files_are_one_line_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "w.weights.h5"
    keras.Sequential([keras.Input((None, SYMBOLS)), keras.layers.Dense(3)]).save_weights(path)
    with pytest.raises(InputError, match=r"warm_start=w: layers of \[2\] weights, expected 3 for each LSTM"):
        read_keras_weights(path, where="w")
    model = tmp_path / "model.keras"
    sequential().save(model)
    whole = model.read_bytes()
    for damaged in (whole[:200], whole[: len(whole) // 2], whole[:-30]):
        model.write_bytes(damaged)
        with pytest.raises(InputError, match="warm_start=w: not a Keras weights file: ") as raised:
            read_keras_weights(model, where="w")
        assert "\n" not in str(raised.value)
    with zipfile.ZipFile(model, "w") as archive:
        archive.writestr("reviews.json", "{}")
    with pytest.raises(InputError, match=r"warm_start=w: not a Keras weights file: .*model\.weights\.h5"):
        read_keras_weights(model, where="w")


def test_variables_of_other_names_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.create_dataset("layers/lstm/cell/vars/kernel", data=np.zeros((5, 8)))
    with pytest.raises(InputError, match="warm_start=w: not a Keras weights file: "):
        read_keras_weights(tmp_path / "w.h5", where="w")
