from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.model import network
from trainer.model.optimizer import Muon, build_optimizer


def rates(**changes: Any) -> list[float]:
    settings: dict[str, Any] = {"learning_rate": 0.01, "schedule": "constant", "warmup_steps": 0, "steps": 10}
    adam = build_optimizer(**(settings | changes))
    adam.build([keras.Variable(0.0)])
    found = []
    for step in range(11):
        adam.iterations.assign(step)
        found.append(round(float(adam.learning_rate), 6))
    return found


def test_constant_rate_stays() -> None:
    assert rates() == [0.01] * 11


def test_constant_rate_after_a_warm_up_stays() -> None:
    assert rates(warmup_steps=4) == [0, 0.0025, 0.005, 0.0075] + [0.01] * 7


def test_cosine_falls_to_a_tenth_at_the_last_step() -> None:
    found = rates(schedule="cosine")
    assert found[0] == 0.01
    assert found[5] == 0.0055
    assert found[10] == 0.001
    assert found == sorted(found, reverse=True)


def test_cosine_starts_after_its_warm_up() -> None:
    found = rates(schedule="cosine", warmup_steps=2)
    assert found[:3] == [0, 0.005, 0.01]
    assert found[10] == 0.001


def test_float16_scales_the_loss() -> None:
    keras.mixed_precision.set_global_policy("mixed_float16")
    scaled = build_optimizer(learning_rate=0.1, schedule="constant", warmup_steps=0, steps=1)
    assert isinstance(scaled, keras.optimizers.LossScaleOptimizer)


def test_float16_variables_have_the_same_names_in_each_run() -> None:
    keras.mixed_precision.set_global_policy("mixed_float16")
    made = [build_optimizer(learning_rate=0.1, schedule="constant", warmup_steps=0, steps=9) for _ in range(2)]
    first, second = ([variable.path for variable in one.variables] for one in made)
    assert first == second


@pytest.mark.parametrize("shape", [(6, 24), (24, 6), (8, 8)])
def test_muon_s_update_has_keras_values_and_singular_values_near_one(shape: tuple[int, int]) -> None:
    matrix = tf.constant(np.random.default_rng(1).normal(size=shape), tf.float32)
    update = Muon().zeropower_via_newtonschulz5(matrix, 5)
    np.testing.assert_allclose(update, keras.optimizers.Muon().zeropower_via_newtonschulz5(matrix, 5), atol=1e-4)
    singular_values = np.linalg.svd(update, compute_uv=False)
    assert 0.6 < singular_values.min() < singular_values.max() < 1.3


def test_muon_updates_the_matrices_between_hidden_values_and_adam_the_rest() -> None:
    model = network.build_lstm(symbols=5, lstm_units=[4, 3], embedding_units=0)
    muon = build_optimizer(learning_rate=0.1, schedule="constant", warmup_steps=0, steps=1, optimizer="muon")
    muon.build(model.trainable_variables)
    updated = zip(model.trainable_variables, muon.adam_velocities, strict=True)
    assert [variable.path for variable, velocity in updated if velocity is None] == [
        "lstm_0/lstm_cell/recurrent_kernel",
        "lstm_1/lstm_cell/kernel",
        "lstm_1/lstm_cell/recurrent_kernel",
    ]


def test_muon_leaves_embeddings_to_adam() -> None:
    model = network.build_lstm(symbols=5, lstm_units=[4], embedding_units=3)
    muon = build_optimizer(learning_rate=0.1, schedule="constant", warmup_steps=0, steps=1, optimizer="muon")
    muon.build(model.trainable_variables)
    assert sum(velocity is None for velocity in muon.adam_velocities) == 1


def test_muon_step_without_a_gradient_changes_no_weight() -> None:
    model = network.build_lstm(symbols=5, lstm_units=[4], embedding_units=0)
    before = [variable.numpy() for variable in model.trainable_variables]
    muon = build_optimizer(learning_rate=0.1, schedule="constant", warmup_steps=0, steps=1, optimizer="muon")
    muon.apply([tf.zeros_like(weight) for weight in before], model.trainable_variables)
    for weight, variable in zip(before, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(weight, variable.numpy())
