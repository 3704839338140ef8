from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest

from preprocessing.dataset.vocabulary import Vocabulary
from preprocessing.errors import InputError
from preprocessing.storage.urls import open_bucket
from tests.support.gcs_emulator import Fault, FaultyStore
from trainer.model import network
from trainer.model.state import WEIGHTS, restore_state
from trainer.training.keras_weights import HDF5, read_keras_weights
from trainer.training.warm_start import is_keras_file, match_symbols

THEIRS = Vocabulary("{}abc")
RANDOM = np.random.default_rng(5)


def array(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def seed_weights(symbols: int, units: Sequence[int]) -> dict[str, list[np.ndarray]]:
    """Return layer name -> [kernel, recurrent kernel, bias].

    The names are the ones that Keras 2 gave to the layers of a second model in one session.
    """
    layers, below = {}, symbols
    for number, width in enumerate(units, start=3):
        layers[f"lstm_{number}"] = [array(below, 4 * width), array(width, 4 * width), array(4 * width)]
        below = width
    layers["dense_2"] = [array(below, symbols), array(symbols)]
    return layers


def write_keras2(path: Path, layers: dict[str, list[np.ndarray]], *, whole_model: bool = False) -> Path:
    """Write an HDF5 file in the layout of Keras 2's save_weights, or of model.save if `whole_model`."""
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if whole_model else file
        root.attrs["layer_names"] = [name.encode() for name in [*layers, "activation_1"]]
        root.attrs["backend"], root.attrs["keras_version"] = b"tensorflow", b"2.0.6"
        root.create_group("activation_1").attrs["weight_names"] = []
        for name, weights in layers.items():
            group = root.create_group(name)
            kinds = ["kernel", "recurrent_kernel", "bias"] if len(weights) == 3 else ["kernel", "bias"]
            group.attrs["weight_names"] = [f"{name}/{kind}:0".encode() for kind in kinds]
            for kind, weight in zip(kinds, weights, strict=True):
                group.create_dataset(f"{name}/{kind}:0", data=weight)
    return path


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def numpy_lstm(layers: dict[str, list[np.ndarray]], ids: np.ndarray) -> np.ndarray:
    """Compute logits [L, V] of ids [L] in NumPy: Hochreiter and Schmidhuber's LSTM with a forget gate."""
    *lstms, (dense, dense_bias) = layers.values()
    hidden = np.eye(len(dense_bias), dtype=np.float32)[ids]
    for kernel, recurrent, bias in lstms:
        units = recurrent.shape[0]
        h = c = np.zeros(units, np.float32)
        outputs = []
        for x in hidden:
            i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            outputs.append(h)
        hidden = np.array(outputs)
    return hidden @ dense + dense_bias


@pytest.mark.parametrize("whole_model", [False, True])
def test_seed_s_weights_file_gives_the_logits_of_a_numpy_lstm(tmp_path: Path, whole_model: bool) -> None:
    layers = seed_weights(5, [8, 6])
    arrays = read_keras_weights(write_keras2(tmp_path / "w.h5", layers, whole_model=whole_model), where="w.h5")
    ours = Vocabulary("ba}{")  # different order, and without c
    net = network.build_lstm(symbols=4, lstm_units=[8, 6], embedding_units=0)
    restore_state(match_symbols(arrays, source=THEIRS, target=ours, shapes=shapes(net), where="w.h5"), net, None)
    text = "{abba}"
    expected = numpy_lstm(layers, np.array([THEIRS.symbols.index(symbol) for symbol in text]))
    found = net(np.array([[ours.symbols.index(symbol) for symbol in text]])).numpy()[0]
    np.testing.assert_allclose(found, expected[:, [THEIRS.symbols.index(s) for s in ours.symbols]], atol=1e-5)


def shapes(net: object) -> dict[str, tuple[int, ...]]:
    return {v.path: tuple(v.shape) for v in net.weights}  # type: ignore[attr-defined]


def built(**changes: object) -> dict[str, tuple[int, ...]]:
    settings = {"symbols": 5, "lstm_units": [8, 6], "embedding_units": 0} | changes
    return shapes(network.build_lstm(**settings))  # type: ignore[arg-type]


def test_embedding_is_matched_by_symbol_too() -> None:
    net = network.build_lstm(symbols=5, lstm_units=[4], embedding_units=3)
    arrays = {WEIGHTS + v.path: array(*v.shape) for v in net.weights}
    expected = shapes(network.build_lstm(symbols=4, lstm_units=[4], embedding_units=3))
    found = match_symbols(arrays, source=THEIRS, target=Vocabulary("c{a}"), shapes=expected, where="x")
    theirs = arrays["weights/embedding/embeddings"]
    np.testing.assert_array_equal(found["weights/embedding/embeddings"], theirs[[4, 0, 2, 1]])
    np.testing.assert_array_equal(found["weights/logits/bias"], arrays["weights/logits/bias"][[4, 0, 2, 1]])


def refused(
    tmp_path: Path, message: str, *, ours: str = "{}abc", expected: object = None, theirs: str = "{}abc"
) -> None:
    arrays = read_keras_weights(write_keras2(tmp_path / "w.h5", seed_weights(5, [8, 6])), where="w.h5")
    with pytest.raises(InputError, match=message):
        match_symbols(
            arrays,
            source=Vocabulary(theirs),
            target=Vocabulary(ours),
            shapes=expected or built(),  # type: ignore[arg-type]
            where="w.h5",
        )


def test_symbol_that_the_source_lacks_is_named(tmp_path: Path) -> None:
    refused(tmp_path, "no symbol 'q' in its vocabulary", ours="{}aq")


def test_another_number_of_layers_is_named(tmp_path: Path) -> None:
    refused(tmp_path, "has logits, lstm_0, lstm_1, expected logits, lstm_0$", expected=built(lstm_units=[8]))


def test_another_width_is_named_with_both_shapes(tmp_path: Path) -> None:
    refused(tmp_path, r"lstm_1/\S+ has shape \(\d+, 24\), expected \(\d+, 28\)", expected=built(lstm_units=[8, 7]))


def test_vocabulary_of_another_size_than_the_weights_is_named(tmp_path: Path) -> None:
    refused(tmp_path, "kernel has 5 symbols, expected 6", theirs="{}abcd")


@pytest.mark.parametrize("content", [b"", b"not HDF5", b"\x89HDF\r\n\x1a\n"])
def test_file_that_is_not_hdf5_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.h5").write_bytes(content)
    with pytest.raises(InputError, match=r"warm_start=w\.h5: not a Keras weights file"):
        read_keras_weights(tmp_path / "w.h5", where="w.h5")


def test_file_of_other_layers_is_refused(tmp_path: Path) -> None:
    path = write_keras2(tmp_path / "w.h5", {"dense_1": [array(3, 3), array(3)]})
    with pytest.raises(InputError, match=r"layers of \[2\] weights, expected 3 for each LSTM and 2 for a Dense"):
        read_keras_weights(path, where="w.h5")
    with h5py.File(path, "w") as file:
        file.create_group("something")
    with pytest.raises(InputError, match="not a Keras weights file"):
        read_keras_weights(path, where="w.h5")


def to_cudnn(kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray) -> list[np.ndarray]:
    """Return an LSTM's weights as Keras 2 saved a CuDNNLSTM layer: transposed gates, two biases."""
    gates = [[gate.T.reshape(gate.shape) for gate in np.split(matrix, 4, axis=1)] for matrix in (kernel, recurrent)]
    return [*(np.hstack(blocks) for blocks in gates), np.concatenate([0.25 * bias, 0.75 * bias])]


def test_weights_of_a_cudnn_lstm_are_those_of_the_lstm(tmp_path: Path) -> None:
    layers = seed_weights(5, [8, 6])
    plain = read_keras_weights(write_keras2(tmp_path / "plain.h5", layers), where="plain.h5")
    cudnn = {name: to_cudnn(*weights) if len(weights) == 3 else weights for name, weights in layers.items()}
    converted = read_keras_weights(write_keras2(tmp_path / "cudnn.h5", cudnn), where="cudnn.h5")
    for name, weights in plain.items():
        np.testing.assert_allclose(converted[name], weights, rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("name", ["transfer_weights", "UPPER.H5", "w.h5"])
def test_weights_file_is_told_by_its_first_bytes(tmp_path: Path, name: str) -> None:
    assert is_keras_file(str(write_keras2(tmp_path / name, seed_weights(5, [8]))))
    (tmp_path / "run").mkdir()
    (tmp_path / "text").write_text("no weights")
    assert not any(is_keras_file(str(tmp_path / other)) for other in ("run", "text", "absent"))


def test_weights_that_are_not_finite_are_refused_by_name(tmp_path: Path) -> None:
    layers = seed_weights(5, [8])
    layers["lstm_3"][1][0, 0] = np.nan
    with pytest.raises(InputError, match="warm_start=w.h5: .*recurrent_kernel is not finite"):
        read_keras_weights(write_keras2(tmp_path / "w.h5", layers), where="w.h5")


def test_scalar_layer_names_and_damage_are_one_line(tmp_path: Path) -> None:
    path = write_keras2(tmp_path / "w.h5", seed_weights(5, [8]))
    damaged = tmp_path / "damaged.h5"
    damaged.write_bytes(path.read_bytes()[:3000])
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = 3
    for wrong in (path, damaged):
        with pytest.raises(InputError, match="warm_start=w.h5: not a Keras weights file: ") as raised:
            read_keras_weights(wrong, where="w.h5")
        assert "\n" not in str(raised.value)


def test_a_file_is_told_by_its_first_bytes_alone_and_an_absent_store_is_no_answer(store: str) -> None:
    bucket = open_bucket(store)
    bucket.write("runs/transfer_weights", HDF5 + bytes(1 << 20))
    before = len(FaultyStore.requests)
    assert is_keras_file(f"{store}/runs/transfer_weights")
    assert len(FaultyStore.requests) == before + 1
    assert not is_keras_file(f"{store}/runs/nothing")
    FaultyStore.faults.append(Fault("^GET ", 400, 9))
    with pytest.raises(OSError, match="gs://reviews"):
        is_keras_file(f"{store}/runs/transfer_weights")
