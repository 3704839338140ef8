import json

import pytest

from preprocessing.errors import InputError
from tests.support.memory import Memory
from trainer.runs.samples import EpochSamples, Sample, parse_samples, read_last_samples, read_samples

# No UTF-8 file can hold it as a symbol, so no sample has it.
SURROGATE = b'{"epoch": 1, "step": 9, "samples": [{"diversity": 1, "prompt": "", "text": "\\ud800"}]}'
SAMPLES = (Sample(0.2, "{a", " cat}"), Sample(0.8, "{a", " dog}"))
NAME = "samples/epoch-001"


def test_text_shows_a_shared_prompt_once_and_each_diversity() -> None:
    assert EpochSamples(1, 9, SAMPLES).objects()[f"{NAME}.txt"].decode() == (
        "epoch 1, step 9\n\nprompt:\n{a\n\ndiversity 0.2:\n cat}\n\ndiversity 0.8:\n dog}\n"
    )


def test_json_has_all_values() -> None:
    assert json.loads(EpochSamples(1, 9, SAMPLES).objects()[f"{NAME}.json"]) == {
        "epoch": 1,
        "step": 9,
        "samples": [
            {"diversity": 0.2, "prompt": "{a", "text": " cat}"},
            {"diversity": 0.8, "prompt": "{a", "text": " dog}"},
        ],
    }


def test_json_is_read_back_as_it_was_written() -> None:
    written = EpochSamples(1, 9, SAMPLES).objects()[f"{NAME}.json"]
    assert parse_samples(written, where="epoch-001.json") == EpochSamples(1, 9, SAMPLES)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"samples": [{"diversity": 1}]}', b'{"samples": [1]}', SURROGATE]
)
def test_damaged_samples_are_named(data: bytes) -> None:
    with pytest.raises(InputError, match="s.json: not an epoch's samples: "):
        parse_samples(data, where="s.json")


def test_samples_of_all_epochs_are_read_in_order_and_the_last_alone() -> None:
    store = Memory()
    assert (read_samples(store), read_last_samples(store)) == ([], None)
    for epoch in (1000, 999, 2):
        for name, data in EpochSamples(epoch, 9, SAMPLES).objects().items():
            store.write(name, data)
    assert [one.epoch for one in read_samples(store)] == [2, 999, 1000]
    for name, data in EpochSamples(999, 4, SAMPLES).objects(within_epoch=True).items():
        store.write(name, data)
    assert store.read("samples/epoch-999-step-0000004.json")
    assert [(one.epoch, one.step) for one in read_samples(store)] == [(2, 9), (999, 4), (999, 9), (1000, 9)]
    store.write("samples/epoch-002.json", b"{}")
    assert read_last_samples(store) == EpochSamples(1000, 9, SAMPLES)
    with pytest.raises(InputError, match="memory/samples/epoch-002.json: not an epoch's samples"):
        read_samples(store)
