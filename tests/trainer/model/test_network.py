import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.model import network


def test_seed_s_model_has_its_layers_and_parameters() -> None:
    net = network.build_lstm(symbols=61, lstm_units=[1024, 512], embedding_units=0)
    # 4 * (inputs + units + 1) * units for each LSTM, (units + 1) * symbols for the logits.
    assert net.count_params() == 4 * (61 + 1024 + 1) * 1024 + 4 * (1024 + 512 + 1) * 512 + 513 * 61
    assert [layer.name for layer in network.lstm_layers(net)] == ["lstm_0", "lstm_1"]


def test_logits_are_float32_whatever_the_precision() -> None:
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    net = network.build_lstm(symbols=5, lstm_units=[4], embedding_units=3)
    assert net(np.zeros((2, 6), np.int32)).dtype == tf.float32
    assert network.lstm_layers(net)[0].compute_dtype == "bfloat16"
    assert {variable.dtype for variable in net.weights} == {"float32"}


def test_logits_do_not_depend_on_later_characters() -> None:
    net = network.build_lstm(symbols=5, lstm_units=[8], embedding_units=0)
    ids = np.array([[0, 1, 2, 3, 4]])
    changed = np.array([[0, 1, 2, 0, 0]])
    np.testing.assert_array_equal(net(ids).numpy()[:, :3], net(changed).numpy()[:, :3])


IDS = np.array([[0, 2, 1]])
UNIFORM_BUT_LAST = np.array([[[0.0, 0, 0], [np.log(2), np.log(6), 0]]], np.float32)


@pytest.mark.parametrize(("objective", "nats"), [("every", [np.log(3), np.log(9 / 6)]), ("last", [np.log(9 / 6)])])
def test_objective_chooses_which_positions_count(objective: str, nats: list[float]) -> None:
    np.testing.assert_allclose(network.character_losses(UNIFORM_BUT_LAST, IDS, objective), [nats], rtol=1e-6)


def test_loss_without_scatter_has_the_value_and_the_gradient_of_the_other() -> None:
    logits = tf.constant(np.random.default_rng(1).normal(size=(3, 4, 5)), tf.float32)
    ids = tf.constant(np.random.default_rng(2).integers(0, 5, (3, 5)))
    losses, gradients = [], []
    for scatter in (True, False):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = network.character_losses(logits, ids, "every", scatter=scatter)
        losses.append(loss)
        gradients.append(tape.gradient(loss, logits))
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    np.testing.assert_allclose(gradients[0], gradients[1], atol=1e-6)
