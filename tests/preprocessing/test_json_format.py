"""The codec of all JSON files, on a format for this test only."""

from dataclasses import dataclass
from typing import Annotated

import pytest
from pydantic import Field, with_config

from preprocessing.errors import InputError
from preprocessing.json_format import FORBID_UNKNOWN_KEYS, encode_json, format_json, parse_json


@with_config(FORBID_UNKNOWN_KEYS)
@dataclass(frozen=True)
class Part:
    size: Annotated[int, Field(ge=1)]
    loss: float | None = None


@dataclass(frozen=True)
class File:
    format: int
    name: str
    whole: bool
    parts: tuple[Part, ...]


FILE = File(2, "é", True, (Part(1, 0.5), Part(2)))
TEXT = """{
 "format": 2,
 "name": "é",
 "whole": true,
 "parts": [
  {
   "size": 1,
   "loss": 0.5
  },
  {
   "size": 2,
   "loss": null
  }
 ]
}
"""


def parse(text: str | bytes) -> File:
    data = text.encode() if isinstance(text, str) else text
    return parse_json(File, data, what="a file", where="gs://b/f.json", newest_format=2)


def error(text: str | bytes) -> str:
    with pytest.raises(InputError) as raised:
        parse(text)
    assert "\n" not in str(raised.value)
    return str(raised.value).removeprefix("gs://b/f.json: not a file: ")


def test_values_are_written_in_the_order_of_the_fields_and_read_back() -> None:
    assert encode_json(FILE).decode() == TEXT
    assert parse(TEXT) == FILE


def test_layout_is_the_caller_s() -> None:
    assert encode_json(Part(1), indent=None, end="") == b'{"size": 1, "loss": null}'
    assert encode_json({"a": "é"}, ascii_only=True) == b'{\n "a": "\\u00e9"\n}\n'


def test_unknown_key_is_ignored_unless_forbidden() -> None:
    assert parse(TEXT.replace('"whole"', '"colour": "red",\n "whole"')) == FILE
    assert error(TEXT.replace('"size": 1', '"size": 1, "colour": "red"')) == "parts.0.colour='red': unknown key"


def test_whole_number_is_read_as_a_float_and_nothing_else_is_converted() -> None:
    assert parse(TEXT.replace("0.5", "3")).parts[0].loss == 3.0
    assert isinstance(parse(TEXT.replace("0.5", "3")).parts[0].loss, float)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"size": 1', '"size": true', "parts.0.size=True: expected a valid integer"),
        ('"size": 1', '"size": 1.0', "parts.0.size=1.0: expected a valid integer"),
        ('"size": 1', '"size": "1"', "parts.0.size='1': expected a valid integer"),
        ('"size": 1', '"size": 0', "parts.0.size=0: expected greater than or equal to 1"),
        ("0.5", "false", "parts.0.loss=False: expected a valid number"),
        ('"é"', "5", "name=5: expected a valid string"),
        ('"é"', '"é", "whole": 1, "x": 1', None),  # the last of two equal keys counts, as everywhere
        ("true", "1", "whole=1: expected a valid boolean"),
        ('"name": "é",', "", "name: missing"),
        ('"parts": [', '"parts": 5, "other": [', "parts=5: expected a valid array"),
    ],
)
def test_wrong_value_is_named_with_what_was_expected(old: str, new: str, expected: str | None) -> None:
    assert old in TEXT
    if expected is None:
        assert parse(TEXT.replace(old, new)) == FILE
    else:
        assert error(TEXT.replace(old, new)) == expected


def test_long_value_is_shortened() -> None:
    assert len(error(TEXT.replace('"size": 1', f'"size": "{"1" * 500}"'))) < 200


def test_newer_format_is_refused_before_anything_else() -> None:
    assert error('{"format": 3}') == "format 3, expected at most 2: written by a newer version"


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"{", b"\xff", b'"\xff"', b"[" * 100_000, b'{"a":' * 100_000])
def test_damaged_json_is_an_input_error(data: bytes) -> None:
    assert error(data)


def test_not_a_number_is_a_number() -> None:
    loss = parse(TEXT.replace("0.5", "NaN")).parts[0].loss
    assert loss is not None
    assert loss != loss


def test_check_across_fields_is_reported_like_a_wrong_field() -> None:
    def check(file: File) -> None:
        raise ValueError(f"{len(file.parts)} parts, expected 3")

    with pytest.raises(InputError, match="^f.json: not a file: 2 parts, expected 3$"):
        parse_json(File, TEXT.encode(), what="a file", where="f.json", newest_format=2, check=check)


def test_numbers_that_json_lacks_are_printed_as_null() -> None:
    values = {"bits": float("inf"), "rates": [0.5, float("nan"), (float("-inf"),)], "é": 1}
    assert format_json(values) == '{"bits": null, "rates": [0.5, null, [null]], "é": 1}'
