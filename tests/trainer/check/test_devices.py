"""Checks of the devices, each with a device that breaks it."""

from typing import Any

import keras
import pytest
import tensorflow as tf

from trainer.check.check import Result, run_checks
from trainer.check.devices import DeviceChecks
from trainer.config import TrainConfig
from trainer.data.windows import Batch
from trainer.model import lstm
from trainer.runtime.workers import ALONE, read_workers
from trainer.training.device_check import compare_layers
from trainer.training.steps import Steps


def results(*, min_gpus: int = 0) -> dict[str, Result]:
    config = TrainConfig(dataset=".", runs=".", min_gpus=min_gpus)
    return {result.name: result for result in run_checks(DeviceChecks(lambda: ALONE, config))}


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
    others = [result for name, result in found.items() if name != "devices"]
    assert {(result.outcome, result.found) for result in others} == {("skipped", "the devices could not be opened")}


def test_wrong_number_of_workers_is_a_result_too() -> None:
    checks = DeviceChecks(lambda: read_workers({"WORKERS": "two"}), TrainConfig(dataset=".", runs="."))
    devices, *_ = run_checks(checks)
    assert (devices.exit_code, devices.found) == (2, "WORKERS=two: expected a whole number from 1")


def test_comparison_leaves_precision_as_it_was() -> None:
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        compare_layers("cpu")
        assert not tf.config.experimental.tensor_float_32_execution_enabled()
        assert keras.mixed_precision.dtype_policy().name == "mixed_bfloat16"
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(True)


def test_checks_log_nothing_between_their_lines(capfd: pytest.CaptureFixture[str]) -> None:
    results()
    assert "AutoGraph" not in capfd.readouterr().err


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
