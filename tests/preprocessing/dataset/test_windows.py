import numpy as np
import pytest

from preprocessing.dataset.windows import cut

IDS = np.arange(8, dtype=np.uint8)


def rows(count: int, *, window_chars: int, stride_chars: int) -> list[list[int]]:
    found = cut(IDS[:count], window_chars=window_chars, stride_chars=stride_chars)
    assert found.shape[1] == window_chars + 1
    assert found.dtype == np.uint8
    return found.tolist()


def test_at_a_stride_of_its_length_a_window_starts_where_the_last_one_ended() -> None:
    assert rows(7, window_chars=3, stride_chars=3) == [[0, 1, 2, 3], [3, 4, 5, 6]]


def test_what_is_too_short_for_a_window_is_in_none() -> None:
    assert rows(8, window_chars=3, stride_chars=3) == [[0, 1, 2, 3], [3, 4, 5, 6]]


def test_windows_overlap_at_a_smaller_stride() -> None:
    assert rows(7, window_chars=3, stride_chars=2) == [[0, 1, 2, 3], [2, 3, 4, 5]]
    assert rows(6, window_chars=3, stride_chars=1) == [[0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5]]


def test_ids_of_one_window_make_one() -> None:
    assert rows(4, window_chars=3, stride_chars=3) == [[0, 1, 2, 3]]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_ids_of_less_than_a_window_make_none(count: int) -> None:
    assert rows(count, window_chars=3, stride_chars=3) == []


def test_the_ids_are_not_copied() -> None:
    assert np.shares_memory(cut(IDS, window_chars=3, stride_chars=1), IDS)
