"""The synthetic reviews: reproducible, in Kaggle's format, in the model's symbols, and worth learning."""

import itertools
import json
import lzma
import re
from functools import cache

from preprocessing.synthetic_reviews import generate_reviews

SYMBOLS = set("\n !\"#$%&'()*+,-./0123456789:;=?[]abcdefghijklmnopqrstuvwxyz{}")


@cache
def texts() -> list[str]:
    return [str(review["text"]) for review in generate_reviews(3_000, seed=1)]


def lines(count: int, *, seed: int) -> list[str]:
    return [json.dumps(review) for review in generate_reviews(count, seed=seed)]


def offenders(pattern: str) -> list[str]:
    return [text for text in texts() if re.search(pattern, text)]


def test_the_same_seed_writes_the_same_bytes() -> None:
    assert lines(50, seed=3) == lines(50, seed=3)


def test_a_longer_run_extends_a_shorter_one() -> None:
    assert lines(80, seed=3)[:30] == lines(30, seed=3)


def test_another_seed_writes_other_reviews() -> None:
    three, four = (list(generate_reviews(50, seed=seed)) for seed in (3, 4))
    assert sum(one["date"] == other["date"] for one, other in zip(three, four, strict=True)) < 5
    for key in ("text", "review_id", "user_id", "business_id"):
        assert not {review[key] for review in three} & {review[key] for review in four}


def test_a_review_has_the_keys_and_types_of_a_line_of_kaggles_file() -> None:
    for review in generate_reviews(200, seed=1):
        assert [(key, type(value)) for key, value in review.items()] == [
            ("votes", dict),
            ("user_id", str),
            ("review_id", str),
            ("stars", int),
            ("date", str),
            ("text", str),
            ("type", str),
            ("business_id", str),
        ]
        votes = review["votes"]
        assert isinstance(votes, dict)
        assert [(key, type(value)) for key, value in votes.items()] == [
            ("funny", int),
            ("useful", int),
            ("cool", int),
        ]
        assert review["type"] == "review"
        assert review["stars"] in range(1, 6)
        assert re.fullmatch(r"20(05|06|07|08|09|10|11|12)-\d\d-\d\d", str(review["date"]))


def test_ids_are_22_url_safe_characters_and_each_review_has_its_own() -> None:
    written = list(generate_reviews(2_000, seed=1))
    assert len({review["review_id"] for review in written}) == 2_000
    for review, key in itertools.product(written, ("user_id", "review_id", "business_id")):
        assert re.fullmatch(r"[A-Za-z0-9_-]{22}", str(review[key]))


def test_a_business_keeps_its_name_from_review_to_review() -> None:
    names: dict[object, set[str]] = {}
    for review in generate_reviews(6_000, seed=1):
        if found := re.match(r"I love ([A-Z].+?)[.!]", str(review["text"])):
            names.setdefault(review["business_id"], set()).add(found[1])
    assert len(names) > 200
    assert max(map(len, names.values())) == 1


def test_every_character_is_a_symbol_of_the_model_and_none_is_a_brace() -> None:
    used = set("".join(texts()).lower())
    assert used <= SYMBOLS
    assert not used & set("{}[]")
    assert set("\n!$%'(+\"0123456789") <= used


def test_no_mark_or_placeholder_of_the_grammar_is_left_in_a_text() -> None:
    assert offenders(r"[\[\]{}<>^|_]|\w\.\w*[a-z]|\b(dish|friend|person|place)\d") == []


def test_spaces_and_stops_stand_as_a_typist_puts_them() -> None:
    assert offenders(r"  | \n|\n |^\s|\s$| [.,;:!?)]|\( |[.,;:!?][.,;:!]") == []


def test_every_sentence_starts_with_a_capital_and_ends_with_a_stop() -> None:
    assert offenders(r'(^|[.!?]["\)]? |\n)["(]?[a-z]|[^.!?")]$|[^.!?")]\n\n') == []


def test_a_and_an_agree_with_the_word_that_follows() -> None:
    assert offenders(r"\b[Aa] ([aeio]|8|11|18)|\b[Aa]n [^aeiouAEIOU18h]") == []


def test_the_stars_of_the_text_are_the_stars_of_the_review() -> None:
    words = ("one star", "two stars", "three stars", "four stars", "five stars")
    mentions = 0
    for review in generate_reviews(1_000, seed=1):
        found = re.findall(r"\b(?:one|two|three|four|five) stars?\b", str(review["text"]).lower())
        assert {words.index(mention) + 1 for mention in found} <= {review["stars"]}
        mentions += len(found)
    assert mentions > 100


def test_fewer_than_one_text_in_200_is_a_duplicate() -> None:
    assert len(texts()) - len(set(texts())) < len(texts()) / 200


def test_a_review_has_about_as_many_characters_as_a_short_real_one() -> None:
    assert 280 < sum(map(len, texts())) / len(texts()) < 370
    assert max(map(len, texts())) < 1_200


def test_there_is_structure_to_learn_and_not_too_little() -> None:
    corpus = "\n".join(texts()).lower().encode()
    assert 0.5 < len(lzma.compress(corpus, preset=9)) * 8 / len(corpus) < 2
