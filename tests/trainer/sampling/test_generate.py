from collections.abc import Sequence

import keras
import numpy as np
import numpy.typing as npt
import pytest

from trainer.model import network
from trainer.sampling.generate import AT_ONCE, Conversation, generate_samples, whole_samples
from trainer.sampling.sampler import GROUP_ROWS, build_stepper, continue_prompts, draw_numbers
from trainer.sampling.truncation import NO_TRUNCATION, Truncation

ROWS, CHARS = AT_ONCE + 13, 12


@pytest.fixture(params=["float32", "mixed_bfloat16"])
def net(request: pytest.FixtureRequest) -> keras.Model:
    keras.mixed_precision.set_global_policy(request.param)
    keras.utils.set_random_seed(1)
    return network.build_lstm(symbols=7, lstm_units=[40, 20], embedding_units=0)


def generated(net: keras.Model, prompt: list[int]) -> list[list[int]]:
    """Return the ids that the training loop's sampler generates."""
    drawn = draw_numbers(3, 0, rows=ROWS, chars=CHARS)
    prompts = np.repeat(np.array([prompt]), ROWS, axis=0)
    found: list[list[int]] = continue_prompts(
        *build_stepper(net, ROWS), prompts, diversities=[0.9] * ROWS, drawn=drawn
    ).tolist()
    return found


def test_samples_equal_the_rows_of_continue_prompts(net: keras.Model) -> None:
    ended = [t for t in generate_samples(net, [1, 2], [0.9] * ROWS, chars=CHARS, seed=3) if t.ended]
    assert [t.ids for t in sorted(ended, key=lambda t: t.number)] == generated(net, [1, 2])


def test_sample_that_ends_early_gives_its_slot_to_another_and_changes_no_text(net: keras.Model) -> None:
    whole, steps = generated(net, [1, 2]), 0
    ended = []
    for text in generate_samples(net, [1, 2], [0.9] * ROWS, chars=CHARS, seed=3, reached=lambda ids: ids[-1] == 5):
        steps += 1
        if text.ended:
            ended.append(text)
    expected = [ids[: ids.index(5) + 1] if 5 in ids else ids for ids in whole]
    assert [t.ids for t in sorted(ended, key=lambda t: t.number)] == expected
    assert steps == sum(map(len, expected)) < ROWS * CHARS
    assert {t.ended for t in ended} == {"stop", "length"}


class EachBit(Truncation):
    """Weights that change with each bit of the probabilities, so that a different bit gives a different text."""

    def apply(self, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return (weights.view(np.uint64) % np.uint64(1009)).astype(np.float64)


@pytest.mark.parametrize("net", ["float32", "mixed_bfloat16"], indirect=True)
def test_sample_has_the_same_bits_alone_and_among_others_that_end_early(net: keras.Model) -> None:
    def ids(count: int, modulus: int = 0) -> list[list[int]]:
        def reached(text: Sequence[int]) -> bool:
            return modulus > 0 and sum(text) % modulus == 0

        made = generate_samples(net, [1, 2], [0.9] * count, chars=CHARS, seed=3, truncation=EachBit(), reached=reached)
        return [text.ids for text in whole_samples(made)]

    whole = ids(3 * ROWS)
    for count in range(1, GROUP_ROWS + 2):
        assert ids(count) == whole[:count]
    for modulus in range(2, 8):  # each makes other texts end early
        ended = ids(3 * ROWS, modulus)
        assert ended == [text[: len(short)] for text, short in zip(whole, ended, strict=True)]
        assert len({len(short) for short in ended}) > 3


def test_conversation_continues_all_text_before() -> None:
    net = network.build_lstm(symbols=7, lstm_units=[40, 20], embedding_units=0)
    talk, said = Conversation(net, [1]), [1]
    for turn, line in enumerate(([2, 3], [], [4])):
        drawn = draw_numbers(3, turn, rows=1, chars=5)
        talk.read(line)
        [*_, ids] = talk.write(drawn[0], diversity=0.9, truncation=NO_TRUNCATION, reached=lambda _: False)
        said += line
        expected = continue_prompts(*build_stepper(net, 1), np.array([said]), diversities=[0.9], drawn=drawn)
        assert [ids] == expected.tolist()
        said += ids
