import numpy as np

from trainer.detection.ngrams import MIN_COUNT, NGrams
from trainer.sampling.sampler import draw_numbers

CYCLE = np.tile([0, 1, 2, 3], 50).astype(np.uint8)


def test_repeating_text_is_continued_with_its_repetition() -> None:
    found = NGrams(CYCLE, 4).generate(1, diversities=[1.0, 0.3], drawn=draw_numbers(1, 0, rows=2, chars=12))
    assert found.tolist() == [[2, 3, 0, 1] * 3] * 2


def test_longest_frequent_context_decides() -> None:
    # 1 is followed by 2 after 0, and by 3 after 4; by itself it is followed by either.
    text = np.array([0, 1, 2, 5] * 40 + [4, 1, 3, 5] * 40, np.uint8)
    drawn = draw_numbers(1, 0, rows=100, chars=2)
    two, one = (NGrams(text, 6, order=order).generate(0, diversities=[1.0] * 100, drawn=drawn) for order in (2, 1))
    assert np.unique(two, axis=0).tolist() == [[1, 2]]
    assert np.unique(one, axis=0).tolist() == [[1, 2], [1, 3]]


def test_rare_context_is_ignored() -> None:
    text = np.array([0, 1] * 40 + [2, 3] * (MIN_COUNT - 1), np.uint8)
    found = NGrams(text, 4, order=1).generate(2, diversities=[1.0] * 100, drawn=draw_numbers(1, 0, rows=100, chars=1))
    assert {0, 1} < set(found[:, 0].tolist())


def test_symbols_follow_as_often_as_in_the_training_text() -> None:
    text = np.array([0, 1, 0, 1, 0, 1, 0, 2] * 40, np.uint8)
    model = NGrams(text, 3, order=1)
    found = model.generate(0, diversities=[1.0] * 2000, drawn=draw_numbers(1, 0, rows=2000, chars=1))[:, 0]
    assert abs((found == 2).mean() - 0.25) < 0.03
    sharper = model.generate(0, diversities=[0.5] * 2000, drawn=draw_numbers(1, 0, rows=2000, chars=1))[:, 0]
    assert abs((sharper == 2).mean() - 0.1) < 0.03  # 1 of 1 + 9


def test_order_is_limited_to_63_bits() -> None:
    assert NGrams(np.zeros(100, np.uint8), 61).order == 9
    assert NGrams(np.zeros(100, np.uint16), 300).order == 7
