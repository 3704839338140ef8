"""Checks of the devices, each with a device that breaks it."""

from typing import Any

import pytest
import tensorflow as tf

from trainer.check.check import Result, run_checks
from trainer.check.devices import DeviceChecks
from trainer.data.windows import Batch
from trainer.model import lstm
from trainer.runtime.workers import ALONE
from trainer.training.steps import Steps


def results(*, min_gpus: int = 0) -> dict[str, Result]:
    return {result.name: result for result in run_checks(DeviceChecks(ALONE, min_gpus=min_gpus))}


def test_cpu_in_order_passes() -> None:
    found = results()
    assert {result.outcome for result in found.values()} == {"ok"}, found
    assert "precision" in found["devices"].found
    assert "the same bits" in found["training step twice"].found
    assert found["sum over replicas"].found == "2 replica(s) of 1 worker(s)"


def test_missing_gpu_fails_the_devices_and_what_needs_them() -> None:
    found = results(min_gpus=1)
    assert (found["devices"].exit_code, found["devices"].outcome) == (1, "failed")
    assert found["devices"].found.startswith("min_gpus=1: TensorFlow finds 0 GPU(s)")
    assert "could not be opened" in found["training step twice"].found


def test_layer_with_gates_in_another_order_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = lstm._cell

    def swapped(share: Any, recurrent: Any, bias: Any, carry: Any) -> Any:
        i, f, g, o = tf.split(share, 4, axis=1)
        return cell(tf.concat([f, i, g, o], axis=1), recurrent, bias, carry)

    monkeypatch.setattr(lstm, "_cell", swapped)
    result = results()["LSTM layers"]
    assert (result.outcome, result.exit_code) == ("failed", 2)
    assert "do not train here" in result.found


def test_step_that_gives_other_bits_fails_where_determinism_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    train = Steps.train

    def train_with_noise(steps: Steps, batch: Batch) -> tf.Tensor:
        loss = train(steps, batch)
        weight = steps.model.weights[0]
        weight.assign_add(tf.random.uniform(weight.shape))
        return loss

    monkeypatch.setattr(Steps, "train", train_with_noise)
    result = results()["training step twice"]
    assert (result.outcome, result.exit_code) == ("failed", 2)
