import json
from pathlib import Path

import numpy as np
import pytest

from preprocessing.dataset.vocabulary import SEED, Vocabulary, build_vocabulary, parse_symbol_table
from preprocessing.errors import InputError

ABC = Vocabulary("abc{}")


def table_error(text: str | bytes) -> str:
    with pytest.raises(InputError) as raised:
        parse_symbol_table(text, where="table.json")
    return str(raised.value)


def test_the_seed_is_the_seed_scripts_table(shared: Path) -> None:
    text = (shared / "char_indices.txt").read_text()
    assert len(SEED) == 61
    assert parse_symbol_table(text, where="char_indices.txt") == SEED
    assert json.loads(text) == {symbol: number for number, symbol in enumerate(SEED.symbols)}


def test_a_symbols_id_is_its_place() -> None:
    ids, dropped = ABC.encode("{cab}")
    assert ids.tolist() == [3, 2, 0, 1, 4]
    assert ids.dtype == np.uint8
    assert dropped == {}
    assert ABC.decode(ids) == "{cab}"


def test_symbols_outside_are_dropped_and_counted_each() -> None:
    ids, dropped = ABC.encode("{aXbX \U0001f600é}")
    assert ABC.decode(ids) == "{ab}"
    assert dropped == {"X": 2, " ": 1, "\U0001f600": 1, "é": 1}


def test_nothing_encodes_to_nothing() -> None:
    ids, dropped = ABC.encode("")
    assert ids.tolist() == []
    assert ids.dtype == np.uint8
    assert dropped == {}
    assert ABC.decode([]) == ""


def test_two_vocabularies_do_not_mix() -> None:
    assert [vocabulary.encode("ab")[0].tolist() for vocabulary in (ABC, Vocabulary("{}ba"), ABC)] == [
        [0, 1],
        [3, 2],
        [0, 1],
    ]


def test_256_symbols_fit_one_byte_and_one_more_takes_two() -> None:
    letters = "".join(chr(0x4E00 + k) for k in range(255))
    narrow, wide = Vocabulary(letters[:254] + "{}"), Vocabulary(letters + "{}")
    assert narrow.dtype == np.uint8
    assert narrow.encode("}")[0].tolist() == [255]
    assert wide.dtype == np.dtype("<u2")
    ids, _ = wide.encode("}" + letters[0])
    assert ids.tobytes() == b"\x00\x01\x00\x00"
    assert wide.decode(ids) == "}" + letters[0]


@pytest.mark.parametrize(
    ("symbols", "expected"),
    [
        ("aba{}", "vocabulary: symbol 'a' occurs twice, expected each once"),
        ("ab}", "vocabulary: no '{', which marks a review's start or end"),
        ("ab{", "vocabulary: no '}', which marks a review's start or end"),
        ("", "vocabulary: no '{', which marks a review's start or end"),
        ("".join(map(chr, range(65_535))), "vocabulary: 65535 symbols, expected at most 65534"),
    ],
)
def test_symbols_that_are_no_vocabulary_are_an_error(symbols: str, expected: str) -> None:
    with pytest.raises(InputError) as raised:
        Vocabulary(symbols)
    assert str(raised.value) == expected


def test_auto_keeps_what_occurs_10_times_in_a_million() -> None:
    assert build_vocabulary({"a": 999_981, "z": 10, "b": 9}).symbols == "az{}"
    assert build_vocabulary({"a": 999_982, "z": 9, "b": 9}).symbols == "a{}"
    assert build_vocabulary({"a": 999_991, "z": 10}).symbols == "a{}"  # 10 in a million and one


def test_auto_orders_symbols_by_code_point() -> None:
    assert build_vocabulary({"é": 1, "b": 1, " ": 1, "A": 1, "}": 1}).symbols == " Ab{}é"


def test_auto_of_nothing_is_the_two_braces() -> None:
    assert build_vocabulary({}).symbols == "{}"


def test_a_table_is_read_in_the_order_of_its_ids() -> None:
    assert parse_symbol_table(b'{"{": 1, "}": 2, "z": 0, "\\n": 3}', where="t").symbols == "z{}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"{": 0, "}": 0}', "id 0 is repeated, for '{' and '}'"),
        ('{"{": 0, "}": 2}', "symbol '}' has id 2, expected 0 to 1"),
        ('{"{": 0, "}": -1}', "symbol '}' has id -1, expected 0 to 1"),
        ('{"{": 0, "}": 1.0}', "symbol '}' has id 1.0, expected 0 to 1"),
        ('{"{": 0, "}": true}', "symbol '}' has id True, expected 0 to 1"),
        ('{"{": 0, "}": "1"}', "symbol '}' has id '1', expected 0 to 1"),
        ('{"{": 0, "}": null}', "symbol '}' has id None, expected 0 to 1"),
        ('{"{": 0, "}": 1, "ab": 2}', "symbol 'ab': expected one character"),
        ('{"{": 0, "}": 1, "": 2}', "symbol '': expected one character"),
        ('{"{": 0, "}": 1, "\\ud800": 2}', "symbol '\\ud800': expected one character"),
        ('{"{": 0, "}": 1, "a": 2, "a": 3}', "vocabulary: symbol 'a' occurs twice, expected each once"),
        ('{"{": 0, "a": 1}', "vocabulary: no '}', which marks a review's start or end"),
        ("{}", "expected a JSON object from symbol to id"),
        ("[1, 2]", "expected a JSON object from symbol to id"),
        ('["a", "b"]', "expected a JSON object from symbol to id"),
        ("7", "expected a JSON object from symbol to id"),
        ("abc", "not a JSON table of symbols: Expecting value: line 1 column 1 (char 0)"),
        (b"\xff\xfe\xfd", "not a JSON table of symbols: "),
        ("[" * 100_000, "not a JSON table of symbols: "),
    ],
)
def test_a_table_that_is_none_is_an_error_with_its_place(text: str | bytes, expected: str) -> None:
    assert table_error(text).startswith(f"table.json: {expected}")
