"""The check of devices at the start of a run."""

from pathlib import Path
from typing import Any

import pytest

from jobs import train
from preprocessing.errors import InputError
from tests.support.runs import arguments
from trainer.training import train as training


def test_a_run_on_gpus_checks_its_layers_before_it_saves_anything(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(strategy: Any, *, workers: int) -> None:
        raise InputError(f"{strategy.num_replicas_in_sync} replicas, {workers} worker: do not train here")

    monkeypatch.setattr(training, "configure_devices", lambda *_, **__: "cudnn")
    monkeypatch.setattr(training, "check_gpus", fail)
    with pytest.raises(InputError, match="2 replicas, 1 worker: do not train here"):
        train.main(arguments(dataset, tmp_path))
    assert not (tmp_path / "small/checkpoint.json").exists()
