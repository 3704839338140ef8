import pytest

from trainer.sampling.stop_texts import Endings

ENDINGS = Endings(until=([9],), stop=([1, 2, 3], [7]))


@pytest.mark.parametrize(
    ("ids", "reached", "certain", "certain_at_the_end"),
    [
        ([], False, 0, 0),
        ([5], False, 1, 1),
        ([5, 9], True, 2, 2),
        ([5, 7], True, 1, 1),
        ([5, 1], False, 1, 2),  # it may go on to be what stops it
        ([5, 1, 2], False, 1, 3),
        ([5, 1, 2, 3], True, 1, 1),
        ([5, 1, 2, 4], False, 4, 4),
        ([1, 1, 2], False, 1, 3),
        ([2, 3], False, 2, 2),
    ],
)
def test_a_text_ends_where_it_should_and_shows_no_beginning_of_what_stops_it(
    ids: list[int], reached: bool, certain: int, certain_at_the_end: int
) -> None:
    assert ENDINGS.reached(ids) == reached
    assert ENDINGS.certain(ids, ended=reached) == certain
    assert ENDINGS.certain(ids, ended=True) == certain_at_the_end


def test_without_an_end_all_is_certain() -> None:
    assert not Endings().reached([1, 2])
    assert Endings().certain([1, 2], ended=False) == 2
