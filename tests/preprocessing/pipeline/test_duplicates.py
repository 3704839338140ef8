import itertools
import random

import pytest

from preprocessing.pipeline.duplicates import find_duplicates
from preprocessing.pipeline.keys import KeyedReview, SourceLine, add_keys


def review(text: str, *, identity: str = "r", source: int = 0, line: int = 1) -> KeyedReview:
    return add_keys(review_id=identity, text=text, source_line=SourceLine(source, 0, line))


def kept(*reviews: KeyedReview) -> list[KeyedReview]:
    return [found for found, original in find_duplicates(reviews) if original is None]


def test_a_text_that_occurs_twice_is_kept_once() -> None:
    once, again = review("Good soup.", identity="a", line=1), review("Good soup.", identity="b", line=2)
    found = list(find_duplicates([again, once]))
    original, repeated = found[0][0], found[1]
    assert {original, repeated[0]} == {once, again}
    assert found[0][1] is None
    assert repeated[1] == original


@pytest.mark.parametrize("text", ["good soup.", "GOOD SOUP.", " Good  soup.\n", "Good\tsoup.", "Good\u00a0soup."])
def test_a_text_that_differs_in_case_or_white_space_is_a_duplicate(text: str) -> None:
    assert len(kept(review("Good soup.", line=1), review(text, line=2))) == 1


@pytest.mark.parametrize("text", ["Good soup", "Goodsoup.", "Good soup!", "Good soups.", "Gööd soup."])
def test_a_near_miss_is_kept(text: str) -> None:
    assert len(kept(review("Good soup.", line=1), review(text, line=2))) == 2


def test_all_copies_name_the_one_that_stays() -> None:
    copies = [review("Good soup.", identity=str(n), line=n) for n in range(4)]
    found = list(find_duplicates([*copies, review("Bad soup.", line=9)]))
    (original,) = [r for r, o in found if o is None and r.text == b"Good soup."]
    assert [o for _, o in found if o is not None] == [original] * 3


def test_the_order_of_arrival_changes_nothing() -> None:
    reviews = [review(f"Soup {n % 30}", identity=f"r{n % 40}", line=n) for n in range(60)]
    expected = [(r.text, r.id_key) for r in kept(*reviews)]
    assert len(expected) == 30
    for seed in range(5):
        shuffled = random.Random(seed).sample(reviews, len(reviews))
        moved = [r._replace(source_line=SourceLine(0, 0, 60 - k)) for k, r in enumerate(shuffled)]
        assert [(r.text, r.id_key) for r in kept(*moved)] == expected


def test_which_of_two_spellings_stays_does_not_depend_on_its_line() -> None:
    for first, second in itertools.permutations(["Good soup.", "good soup.", "GOOD SOUP."], 2):
        (found,) = kept(review(first, line=1), review(second, line=2))
        (other,) = kept(review(second, line=1), review(first, line=2))
        assert found.text == other.text


def test_two_hashes_of_one_string_differ() -> None:
    found = review("same", identity="same")
    assert found.text_key != found.id_key


def test_the_hashes_stay_what_they_are() -> None:
    # blake2b of "good soup." and of "r1", 16 bytes, under the keys "text" and "split": a dataset made elsewhere agrees.
    found = review("Good  Soup.", identity="r1")
    assert found.text_key.hex() == "8f2979b5fe7ab2b8d76a315f7cffe194"
    assert found.id_key.hex() == "30544f6070a63750069fa15e1bc88f85"
