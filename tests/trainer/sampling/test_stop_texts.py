import pytest

from trainer.sampling.stop_texts import StopTexts

STOP_TEXTS = StopTexts(until=([9],), stop=([1, 2, 3], [7]))


@pytest.mark.parametrize(
    ("ids", "reached", "certain", "certain_at_the_end"),
    [
        ([], False, 0, 0),
        ([5], False, 1, 1),
        ([5, 9], True, 2, 2),
        ([5, 7], True, 1, 1),
        ([5, 1], False, 1, 2),  # may be the start of a stop text
        ([5, 1, 2], False, 1, 3),
        ([5, 1, 2, 3], True, 1, 1),
        ([5, 1, 2, 4], False, 4, 4),
        ([1, 1, 2], False, 1, 3),
        ([2, 3], False, 2, 2),
    ],
)
def test_sample_ends_at_a_stop_text_and_its_uncertain_end_is_held_back(
    ids: list[int], reached: bool, certain: int, certain_at_the_end: int
) -> None:
    assert STOP_TEXTS.reached(ids) == reached
    assert STOP_TEXTS.certain_length(ids, ended=reached) == certain
    assert STOP_TEXTS.certain_length(ids, ended=True) == certain_at_the_end


def test_without_stop_texts_all_ids_are_certain() -> None:
    assert not StopTexts().reached([1, 2])
    assert StopTexts().certain_length([1, 2], ended=False) == 2
