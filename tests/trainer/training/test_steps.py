from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from preprocessing.errors import InputError
from trainer.data.windows import Batch, pad_batch
from trainer.model import network
from trainer.model.optimizer import build_optimizer
from trainer.model.state import copy_state, restore_state
from trainer.runtime.stop_agreement import StopAgreement
from trainer.runtime.strategy import mirror_devices
from trainer.training.steps import Steps

IDS = np.random.default_rng(1).integers(0, 7, (40, 13)).astype(np.uint8)


class Trained:
    """A small model after some steps on one or two replicas, and the loss at each of them."""

    def __init__(
        self,
        replicas: int,
        batches: list[Batch],
        *,
        clip_norm: float = 0.01,
        policy: str = "float32",
        embedding_units: int = 0,
        carry: bool = False,
    ) -> None:
        strategy = mirror_devices([f"CPU:{k}" for k in range(replicas)])
        keras.mixed_precision.set_global_policy(policy)
        try:
            keras.utils.set_random_seed(3)
            with strategy.scope():
                self.model = network.build_lstm(symbols=7, lstm_units=[6, 5], embedding_units=embedding_units)
                self.optimizer = build_optimizer(learning_rate=0.05, schedule="cosine", warmup_steps=1, steps=5)
                self.optimizer.build(self.model.trainable_variables)
        finally:
            keras.mixed_precision.set_global_policy("float32")
        self.steps = Steps(
            strategy,
            self.model,
            self.optimizer,
            objective="every",
            clip_norm=clip_norm,
            batch_windows=8,
            agreement=StopAgreement(strategy),
            carry=carry,
        )
        self.losses = [float(self.steps.train(batch)) for batch in batches]

    def arrays(self) -> dict[str, np.ndarray]:
        return copy_state(self.model, self.optimizer)


BATCHES = [pad_batch(IDS[first : first + 8], 8) for first in (0, 8, 16)]


@pytest.mark.parametrize("embedding_units", [0, 3])
def test_two_replicas_train_as_one_does_with_clipping_over_the_global_batch(embedding_units: int) -> None:
    one, two = (Trained(n, BATCHES, embedding_units=embedding_units) for n in (1, 2))
    np.testing.assert_allclose(one.losses, two.losses, rtol=1e-5)
    for name, array in one.arrays().items():
        np.testing.assert_allclose(array, two.arrays()[name], atol=2e-4, err_msg=name)


@pytest.mark.parametrize("embedding_units", [0, 3])
def test_two_replicas_carry_state_as_one_does(embedding_units: int) -> None:
    one, two = (Trained(n, BATCHES, embedding_units=embedding_units, carry=True) for n in (1, 2))
    fresh = Trained(1, BATCHES, embedding_units=embedding_units)
    np.testing.assert_allclose(one.losses, two.losses, rtol=1e-5)
    assert one.losses[0] == pytest.approx(fresh.losses[0], rel=1e-6)
    assert one.losses[1] != pytest.approx(fresh.losses[1], rel=1e-6)
    for layer, other in zip(one.steps.state, two.steps.state, strict=True):
        assert layer.shape == other.shape
        np.testing.assert_allclose(layer, other, atol=2e-4)
    two.steps.start_segments()
    assert not any(np.any(layer) for layer in two.steps.state)


@pytest.mark.parametrize("replicas", [1, 2])
def test_evaluation_of_two_halves_with_carried_state_is_that_of_the_whole(replicas: int) -> None:
    steps = Trained(replicas, BATCHES[:1], carry=True).steps
    rows = np.ones(8, np.float32)
    whole, _ = steps.evaluate(Batch(IDS[:8], rows))
    first, _, state = steps.evaluate_from_state(Batch(IDS[:8, :6], rows), steps.replica_zero_state())
    second, _, _ = steps.evaluate_from_state(Batch(IDS[:8, 5:], rows), state)
    np.testing.assert_allclose(float(first) + float(second), float(whole), rtol=1e-5)


def test_two_replicas_scale_and_clip_in_float16_as_one_does() -> None:
    one, two = (Trained(n, BATCHES, policy="mixed_float16", clip_norm=0.5) for n in (1, 2))
    np.testing.assert_allclose(one.losses, two.losses, rtol=1e-2)
    assert one.arrays()["optimizer/adam/iteration"] == two.arrays()["optimizer/adam/iteration"]


def test_loss_starts_at_the_uniform_distribution_s_and_falls() -> None:
    found = Trained(1, BATCHES[:1] * 12, clip_norm=0).losses
    assert abs(found[0] - np.log(7)) < 0.2
    assert found[-1] < found[0] - 0.05


def test_clipping_bounds_the_step_but_zero_does_not_clip() -> None:
    # Adam's step hardly depends on the scale of the gradient. Adam's second moment does.
    clipped, free = Trained(1, BATCHES[:1], clip_norm=1e-3), Trained(1, BATCHES[:1], clip_norm=0)
    name = next(name for name in clipped.arrays() if name.endswith("logits_kernel_velocity"))
    assert np.abs(clipped.arrays()[name]).max() < np.abs(free.arrays()[name]).max() / 10


def test_padding_rows_do_not_count() -> None:
    other = Batch(np.concatenate([IDS[:5], IDS[30:33]]), np.array([1, 1, 1, 1, 1, 0, 0, 0], np.float32))
    short = pad_batch(IDS[:5], 8)
    one, two = Trained(1, [short]), Trained(1, [other])
    assert one.losses == two.losses
    for name, array in one.arrays().items():
        np.testing.assert_array_equal(array, two.arrays()[name])
    assert [float(x) for x in one.steps.evaluate(short)] == [float(x) for x in one.steps.evaluate(other)]


def test_evaluation_sums_nats_over_the_characters_that_count() -> None:
    trained = Trained(2, [])
    nats, chars = trained.steps.evaluate(pad_batch(IDS[:5], 8))
    assert float(chars) == 5 * 12
    logits = trained.model(IDS[:5, :-1].astype(np.int32))
    expected = tf.reduce_sum(network.character_losses(logits, tf.constant(IDS[:5]), "every"))
    np.testing.assert_allclose(float(nats), float(expected), rtol=1e-5)


def test_batch_that_replicas_cannot_share_evenly_is_refused() -> None:
    strategy = mirror_devices(["CPU:0", "CPU:1"])
    with pytest.raises(InputError, match="batch_windows=7 is not divisible by 2 replicas"):
        Steps(strategy, None, None, objective="every", clip_norm=0, batch_windows=7, agreement=StopAgreement(strategy))


@pytest.mark.parametrize("replicas", [(1, 2), (2, 1)])
def test_snapshot_taken_on_some_replicas_continues_on_others(replicas: tuple[int, int]) -> None:
    first, second = replicas
    whole, half, rest = Trained(first, BATCHES), Trained(first, BATCHES[:2]), Trained(second, [])
    restore_state(half.arrays(), rest.model, rest.optimizer)
    loss = float(rest.steps.train(BATCHES[2]))
    np.testing.assert_allclose(loss, whole.losses[2], rtol=1e-5)
    np.testing.assert_allclose(
        rest.arrays()["weights/logits/kernel"], whole.arrays()["weights/logits/kernel"], atol=2e-4
    )


def test_snapshot_is_a_copy_that_a_later_step_does_not_change() -> None:
    trained = Trained(1, BATCHES[:1])
    before = trained.arrays()
    kept = {name: array.copy() for name, array in before.items()}
    trained.steps.train(BATCHES[1])
    assert all(np.array_equal(before[name], kept[name]) for name in kept)
    assert not np.array_equal(trained.arrays()["weights/logits/kernel"], kept["weights/logits/kernel"])


def test_arrays_that_do_not_fit_are_named() -> None:
    trained = Trained(1, [])
    arrays = trained.arrays() | {"weights/logits/bias": np.zeros(3)}
    with pytest.raises(ValueError, match=r"weights/logits/bias has shape \(3,\), expected \(7,\)"):
        restore_state(arrays, trained.model, None)
    del arrays["weights/logits/bias"]
    with pytest.raises(ValueError, match="weights/logits/bias .* not in the checkpoint"):
        restore_state(arrays, trained.model, None)


class Counted:
    """A model that counts how often Python calls it: once for each time that a program is compiled."""

    def __init__(self, net: keras.Model) -> None:
        self._net, self.calls = net, 0
        self.trainable_variables = net.trainable_variables

    def __call__(self, ids: tf.Tensor, *, training: bool) -> tf.Tensor:
        self.calls += 1
        return self._net(ids, training=training)


def test_run_compiles_one_training_step_and_one_evaluation_step() -> None:
    strategy = mirror_devices(["CPU:0"])
    with strategy.scope():
        net = Counted(network.build_lstm(symbols=7, lstm_units=[6], embedding_units=0))
        optimizer = build_optimizer(learning_rate=0.05, schedule="cosine", warmup_steps=1, steps=5)
        optimizer.build(net.trainable_variables)
    steps = Steps(
        *(strategy, net, optimizer),
        objective="every",
        clip_norm=1.0,
        batch_windows=8,
        agreement=StopAgreement(strategy),
    )
    for batch in (*BATCHES, pad_batch(IDS[:3], 8)):
        steps.train(batch)
        steps.evaluate(batch)
    assert net.calls == 2


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("carry", [False, True])
def test_step_sums_gradients_over_the_replicas_once(policy: str, carry: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    summed: list[int] = []
    all_reduce = tf.distribute.ReplicaContext.all_reduce

    def count(context: Any, operation: Any, values: Any, *args: Any) -> Any:
        summed.append(len(tf.nest.flatten(values)))
        return all_reduce(context, operation, values, *args)

    monkeypatch.setattr(tf.distribute.ReplicaContext, "all_reduce", count)
    model = Trained(2, BATCHES[:1], policy=policy, carry=carry).model
    # Both replicas' graphs are traced one after the other.
    assert [count for count in summed if count > 1] == [len(model.trainable_variables) + 2 * carry] * 2
