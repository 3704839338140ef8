import keras
import numpy as np
import pytest

from preprocessing.errors import Stopped
from trainer.model import network
from trainer.sampling.sampler import GROUP_ROWS, build_stepper, choose, continue_prompts, draw_numbers

LOGITS = np.log(np.array([[0.1, 0.6, 0.3]], np.float32))


def chosen(diversity: float, drawn: float) -> int:
    return int(choose(LOGITS, np.array([diversity]), np.array([drawn]))[0])


def test_diversity_one_samples_from_the_model_s_own_probabilities() -> None:
    assert [chosen(1.0, drawn) for drawn in (0.0, 0.09, 0.11, 0.69, 0.71, 0.999999)] == [0, 0, 1, 1, 2, 2]


def test_diversity_half_squares_the_probabilities() -> None:
    # 0.01, 0.36, 0.09 of 0.46: the second begins at 0.022 and ends at 0.804.
    assert [chosen(0.5, drawn) for drawn in (0.021, 0.023, 0.80, 0.81)] == [0, 1, 1, 2]


@pytest.mark.parametrize("diversity", [0.0, 1e-310, 1e-9, 1e-3])
def test_diversity_near_zero_takes_the_likeliest(diversity: float) -> None:
    assert [chosen(diversity, drawn) for drawn in (0.0, 0.5, 0.999999)] == [1, 1, 1]


def test_sampled_frequencies_match_the_probabilities() -> None:
    drawn = draw_numbers(3, 0, rows=20_000, chars=1)[:, 0]
    found = choose(np.repeat(LOGITS, 20_000, axis=0), np.ones(20_000), drawn)
    assert np.abs(np.bincount(found) / 20_000 - [0.1, 0.6, 0.3]).max() < 0.01


def test_random_numbers_of_a_row_do_not_depend_on_other_rows() -> None:
    assert draw_numbers(1, 2, rows=1, chars=5).tolist() == draw_numbers(1, 2, rows=4, chars=5)[:1].tolist()
    assert draw_numbers(1, 2, rows=4, chars=9)[:, :5].tolist() == draw_numbers(1, 2, rows=4, chars=5).tolist()
    assert draw_numbers(1, 3, rows=1, chars=5).tolist() != draw_numbers(1, 2, rows=1, chars=5).tolist()


def counting(ids: np.ndarray, state: list[list[int]]) -> tuple[np.ndarray, list[list[int]]]:
    """Return logits that expect id + 1 of 10 symbols, and the list of ids read so far as the state."""
    logits = np.full((len(ids), 10), -1e9, np.float32)
    logits[np.arange(len(ids)), (ids + 1) % 10] = 0
    return logits, [*state, ids.tolist()]


def test_prompt_is_read_first_and_each_character_follows_the_last() -> None:
    prompts = np.array([[3, 4], [7, 8]])
    found = continue_prompts(counting, [], prompts, diversities=[0.0, 1.0], drawn=np.zeros((2, 4)))
    assert found.tolist() == [[5, 6, 7, 8], [9, 0, 1, 2]]


def test_sampling_stops_between_two_characters() -> None:
    asked = iter([False, False, False, True])
    with pytest.raises(Stopped):
        continue_prompts(
            counting,
            [],
            np.array([[1]]),
            diversities=[0.0],
            drawn=np.zeros((1, 9)),
            should_stop=lambda: next(asked),
        )


@pytest.mark.parametrize("embedding_units", [0, 5])
def test_carried_state_gives_the_logits_of_the_whole_sequence(embedding_units: int) -> None:
    net = network.build_lstm(symbols=7, lstm_units=[6, 4], embedding_units=embedding_units)
    ids = np.random.default_rng(1).integers(0, 7, (3, 12)).astype(np.int32)
    whole = net(ids).numpy()
    step, state = build_stepper(net, 3)
    for position in range(12):
        logits, state = step(ids[:, position], state)
        np.testing.assert_allclose(logits, whole[:, position], atol=1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_row_has_the_same_bits_alone_and_among_others(policy: str) -> None:
    keras.mixed_precision.set_global_policy(policy)
    net = network.build_lstm(symbols=7, lstm_units=[200, 100], embedding_units=0)
    rows = 2 * GROUP_ROWS + 3  # more rows than one group computes
    drawn, prompts = draw_numbers(1, 1, rows=rows, chars=20), (np.arange(rows, dtype=np.int32) % 7)[:, None]
    (step, state), alone = build_stepper(net, rows), build_stepper(net, GROUP_ROWS)
    logits, after = step(prompts[:, 0], state)
    found = continue_prompts(step, after, prompts, diversities=[0.3] * rows, drawn=drawn)
    for row in range(rows):
        place = row % GROUP_ROWS  # the smallest batch with a row `place`: all other rows are padding
        own = (np.arange(place + 1, dtype=np.int32) == place)[:, None]
        own_logits, after_own = alone[0](own[:, 0] * prompts[row], alone[1])
        np.testing.assert_array_equal(own_logits[place], logits[row])
        again = continue_prompts(
            alone[0], after_own, own * prompts[row], diversities=[0.3] * (place + 1), drawn=own * drawn[row]
        )
        np.testing.assert_array_equal(again[place], found[row])


def test_stepper_uses_the_weights_at_its_creation() -> None:
    net = network.build_lstm(symbols=3, lstm_units=[4], embedding_units=0)
    texts = []
    for likely in (1, 2):
        net.get_layer("logits").bias.assign([99.0 * (symbol == likely) for symbol in range(3)])
        drawn = np.zeros((1, 3))
        texts.append(continue_prompts(*build_stepper(net, 1), np.array([[0]]), diversities=[0.0], drawn=drawn).tolist())
    assert texts == [[[1, 1, 1]], [[2, 2, 2]]]
