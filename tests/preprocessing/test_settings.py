from dataclasses import replace

import pytest
import yaml

from preprocessing.errors import InputError
from preprocessing.settings import as_mapping, as_yaml, list_differences, validate_config
from trainer.config import ModelConfig, TrainConfig

DEFAULTS = TrainConfig(dataset="d", runs="r")


def test_a_stored_configuration_that_lacks_a_required_key_names_it() -> None:
    with pytest.raises(InputError, match=r"^runs: missing$"):
        validate_config(TrainConfig, {"dataset": "d"})


def test_a_stored_configuration_with_a_key_too_many_names_it() -> None:
    values = as_mapping(DEFAULTS) | {"beam_width": 4}
    with pytest.raises(InputError, match=r"^beam_width=4: unknown key$"):
        validate_config(TrainConfig, values)


def test_the_effective_configuration_comes_back_from_its_yaml() -> None:
    config = replace(DEFAULTS, learning_rate=3e-5, model=ModelConfig(lstm_units=(8,)), warm_start="no")
    values = yaml.safe_load(as_yaml(config))
    assert values == as_mapping(config)
    assert validate_config(TrainConfig, values) == config


def test_the_bytes_of_a_configuration_never_change() -> None:
    assert as_yaml(DEFAULTS) == EXPECTED


def test_differences_name_each_key_whose_value_changed() -> None:
    old = {"epochs": 3, "seed": 1, "model": {"lstm_units": [8], "embedding_units": 0}}
    new = {"epochs": 4, "seed": 1, "model": {"lstm_units": [8, 8], "embedding_units": 0}, "keep": 2}
    assert list_differences(old, new) == [
        "epochs=3, now 4",
        "keep=None, now 2",
        "model.lstm_units=[8], now [8, 8]",
    ]
    assert list_differences(old, old) == []


EXPECTED = """\
dataset: d
runs: r
epochs: 20
max_chars: 0
validate_every_chars: 0
stop_after_worse: 0
batch_windows: 128
optimizer: adam
learning_rate: 0.002
schedule: constant
warmup_steps: 0
clip_norm: 5.0
objective: every
carry_windows: 1
precision: auto
cpu_replicas: 2
deterministic: auto
seed: 1
warm_start: ''
warm_start_vocabulary: seed
log_every_steps: 10
block_windows: 2000000
grace_seconds: 15.0
stall_seconds: 600.0
min_gpus: 0
metrics_port: 0
report: end
staging: {max_bytes: 4000000000}
model:
  lstm_units: [1024, 512]
  embedding_units: 0
sample:
  diversities: [0.2, 0.4, 0.6, 0.8]
  chars: 400
  prompt_chars: 256
checkpoint: {every_seconds: 60.0, keep: 2, keep_every_epochs: 0, give_up_seconds: 1800.0}
profile: {first: 10, steps: 0}
"""
