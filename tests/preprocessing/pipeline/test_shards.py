from collections import Counter
from typing import Any

import numpy as np
import pytest

from preprocessing.dataset import records
from preprocessing.dataset.vocabulary import SEED, Vocabulary
from preprocessing.pipeline.keys import KeyedReview, choose_shard
from preprocessing.pipeline.shards import (
    CHUNK_RECORDS,
    WindowSettings,
    choose_split,
    count_tail_chars,
    cut_and_frame,
    encode_reviews,
    shard_name,
)
from tests.preprocessing.pipeline.test_duplicates import review

SETTINGS = WindowSettings(window_chars=4, stride_chars=4, lowercase=True, validation_fraction=0.2, test_fraction=0.1)


def with_settings(**changes: Any) -> WindowSettings:
    return WindowSettings(**(vars(SETTINGS) | changes))


def decoded(reviews: list[KeyedReview], vocabulary: Vocabulary = SEED, *, lowercase: bool = True) -> str:
    return vocabulary.decode(encode_reviews(reviews, vocabulary, lowercase=lowercase).ids)


def test_all_copies_of_a_text_are_of_one_shard() -> None:
    for number in range(50):
        text = f"Soup {number}"
        assert choose_shard(review(text, identity="a").text_key, 7) == choose_shard(
            review(f" {text.upper()} ", identity="b").text_key, 7
        )


def test_reviews_spread_over_the_shards() -> None:
    counts = Counter(choose_shard(review(f"Soup {number}").text_key, 4) for number in range(4000))
    assert sorted(counts) == [0, 1, 2, 3]
    assert all(900 < count < 1100 for count in counts.values())


def test_the_split_comes_from_the_id_alone() -> None:
    for number in range(200):
        first = review("Good soup.", identity=f"r{number}", source=0, line=1)
        edited = review("Good soup. Edit: it closed.", identity=f"r{number}", source=3, line=99)
        assert choose_split(first.id_key, SETTINGS) == choose_split(edited.id_key, SETTINGS)


def test_each_split_gets_its_share() -> None:
    counts = Counter(choose_split(review("x", identity=f"r{number}").id_key, SETTINGS) for number in range(10_000))
    assert counts["test"] == pytest.approx(1000, abs=100)
    assert counts["validation"] == pytest.approx(2000, abs=150)
    assert counts["train"] == pytest.approx(7000, abs=200)


@pytest.mark.parametrize(
    ("place", "split"),
    [
        (0.0, "test"),
        (0.0999, "test"),
        (0.1001, "validation"),
        (0.2999, "validation"),
        (0.3001, "train"),
        (0.9999, "train"),
    ],
)
def test_the_splits_lie_one_after_another(place: float, split: str) -> None:
    id_key = int(place * 2**64).to_bytes(8, "big") + bytes(8)
    assert choose_split(id_key, SETTINGS) == split


def test_without_a_test_fraction_there_is_no_test_split() -> None:
    assert choose_split(bytes(16), with_settings(test_fraction=0.0)) == "validation"


def test_reviews_are_written_in_braces_one_after_another() -> None:
    assert decoded([review("Good soup."), review("Bad.")]) == "{good soup.}{bad.}"


def test_case_stays_where_it_is_asked_for() -> None:
    assert decoded([review("Good")], Vocabulary("Gdo{}"), lowercase=False) == "{Good}"


def test_symbols_outside_the_vocabulary_are_dropped_and_counted() -> None:
    found = encode_reviews([review("Café ~ CAFÉ"), review("~")], Vocabulary("acf {}"), lowercase=True)
    assert found.dropped == {"é": 2, "~": 2}
    assert Vocabulary("acf {}").decode(found.ids) == "{caf  caf}"


def test_a_brace_inside_a_text_is_dropped_and_counted() -> None:
    found = encode_reviews([review("a {b} c}"), review("d")], SEED, lowercase=True)
    assert SEED.decode(found.ids) == "{a b c}{d}"
    assert found.dropped == {"{": 1, "}": 2}


def test_a_review_of_which_nothing_is_left_is_none() -> None:
    first, gone, braces, last = review("one"), review("寿司", line=2), review("{}", line=3), review("two")
    found = encode_reviews([first, gone, braces, last], SEED, lowercase=True)
    assert SEED.decode(found.ids) == "{one}{two}"
    assert found.empty == [gone, braces]
    assert found.dropped == {"寿": 1, "司": 1, "{": 1, "}": 1}


@pytest.mark.parametrize("where", [0, 1, 2])
def test_an_empty_review_is_found_wherever_it_stands(where: int) -> None:
    reviews = [review("one"), review("two")]
    reviews.insert(where, review("寿司"))
    found = encode_reviews(reviews, SEED, lowercase=True)
    assert SEED.decode(found.ids) == "{one}{two}"
    assert [r.text for r in found.empty] == ["寿司".encode()]


def test_reviews_of_which_nothing_is_left_make_no_ids() -> None:
    found = encode_reviews([review("寿司")], SEED, lowercase=True)
    assert found.ids.tolist() == []
    assert len(found.empty) == 1


@pytest.mark.parametrize("window_chars", [2, 3, 5])
@pytest.mark.parametrize("stride_chars", [1, 2, 3, 5])
def test_the_tail_is_what_no_window_reaches(window_chars: int, stride_chars: int) -> None:
    settings = with_settings(window_chars=window_chars, stride_chars=stride_chars)
    for count in range(20):
        rows = records.cut_windows(
            np.arange(count, dtype=np.uint8), window_chars=window_chars, stride_chars=stride_chars
        )
        reached = max((int(row[-1]) + 1 for row in rows), default=0)
        assert count_tail_chars(count, settings) == count - reached


def test_windows_are_framed_in_order_over_the_borders_of_a_chunk() -> None:
    ids = (np.arange(CHUNK_RECORDS + 10) % 61).astype(np.uint8)
    settings = with_settings(window_chars=3, stride_chars=1)
    chunks = list(cut_and_frame(ids, settings))
    assert [len(chunk) // records.record_bytes(4) for chunk in chunks] == [CHUNK_RECORDS, 7]
    assert b"".join(chunks) == records.frame(records.cut_windows(ids, window_chars=3, stride_chars=1)).tobytes()


def test_too_few_ids_make_no_chunk() -> None:
    assert list(cut_and_frame(np.zeros(4, np.uint8), SETTINGS)) == []


def test_a_shards_name_says_what_it_is() -> None:
    assert shard_name("train", 3, 16, "1f3a90c2") == "train-00003-of-00016-1f3a90c2.tfrecord"
