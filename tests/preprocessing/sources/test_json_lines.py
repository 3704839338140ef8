import json

import pytest

from preprocessing.sources.review import MAX_LINE_BYTES, Columns, Rejected, Review
from tests.preprocessing.sources.test_reader import TWO_LINES, TWO_REVIEWS, padded, read
from tests.support.inputs import json_line, kaggle_zip


def reason(line: bytes, name: str = "reviews.json") -> str:
    """Return the reason why the second of three lines is rejected. Checks that the first and third are accepted."""
    lines = json_line("first") + line + json_line("last")
    first, found, last = read(kaggle_zip(lines) if name.endswith(".zip") else lines, name)
    assert isinstance(first, Review)
    assert isinstance(last, Review)
    assert (first.line, first.text, last.line, last.text) == (1, "first", 3, "last")
    assert isinstance(found, Rejected)
    assert found.line == 2
    return found.reason


def test_all_but_id_and_text_is_ignored() -> None:
    line = (
        b'{"votes": {"funny": 0}, "user_id": "u", "review_id": "a", "stars": 5, "date": "2011-01-26", '
        b'"text": "Good soup.", "type": "review", "business_id": "b"}\n'
    )
    assert read(line, "r.json") == [Review(1, "a", "Good soup.")]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"Good soup.\n", "not JSON"),
        (b"\n", "not JSON"),
        (b'{"text": "cut\n', "not JSON"),
        (b"[" * 50_000 + b"\n", "not JSON"),
        (b'{"text": ' * 20_000 + b"\n", "not JSON"),
        (b'{"stars": ' + b"9" * 5000 + b', "text": "good"}\n', "not JSON"),
        (b'{"text": "caf\xe9"}\n', "not UTF-8"),
        (b'"Good soup."\n', "not a JSON object"),
        (b"[1]\n", "not a JSON object"),
        (b"null\n", "not a JSON object"),
        (b'{"review_id": "a"}\n', "no text"),
        (b'{"text": null}\n', "text is not a string"),
        (b'{"text": ["good"]}\n', "text is not a string"),
        (b'{"text": ""}\n', "text is empty"),
        (b'{"text": " \\n\\t"}\n', "text is empty"),
        (b'{"text": "\\ud83d"}\n', "text has a lone surrogate"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_line_is_rejected_with_its_number_and_reason(line: bytes, expected: str) -> None:
    assert reason(line) == expected


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert read(b'{"review_id": "a", "text": "\\ud83d\\ude00"}', "r.json") == [Review(1, "a", "\U0001f600")]


def test_a_line_of_the_greatest_length_is_read() -> None:
    found = read(padded(MAX_LINE_BYTES) + b"\n" + json_line("next"), "r.json")
    assert [type(f) for f in found] == [Review, Review]


@pytest.mark.parametrize("size", [MAX_LINE_BYTES + 1, MAX_LINE_BYTES + 2, 2 * MAX_LINE_BYTES, 2 * MAX_LINE_BYTES + 1])
@pytest.mark.parametrize("name", ["reviews.json", "yelp.zip"])
def test_a_longer_line_is_rejected_whole(size: int, name: str) -> None:
    assert reason(padded(size) + b"\n", name) == "over 1000000 bytes"


def test_a_longer_line_may_be_the_last_and_have_no_end() -> None:
    found = read(json_line("first") + padded(MAX_LINE_BYTES + 1), "r.json")
    assert found[1:] == [Rejected(2, "over 1000000 bytes")]


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    assert read(b"\xef\xbb\xbf" + TWO_LINES, "r.json") == TWO_REVIEWS
    assert read(b"\xef\xbb\xbf{one}", "r.txt") == read(b"{one}", "r.txt")


def test_lines_may_end_as_on_windows() -> None:
    assert read(TWO_LINES.replace(b"\n", b"\r\n"), "r.json") == TWO_REVIEWS


def test_the_last_line_needs_no_newline() -> None:
    assert read(TWO_LINES.rstrip(), "r.json") == TWO_REVIEWS


@pytest.mark.parametrize("identity", [{}, {"review_id": None}, {"review_id": ""}, {"review_id": 7}])
def test_a_missing_id_is_derived_from_the_text_alone(identity: dict[str, object]) -> None:
    same, other = json_line("Good soup.", **identity), json_line("Bad soup.", **identity)
    found = [f.id for f in read(same + other + same, "r.json") if isinstance(f, Review)]
    assert found[0] == found[2] != found[1]
    assert found[0] == "text:09708a681e881f2838a8d7103e7bdeb1"  # printf "Good soup." | b2sum -l 128


def test_a_text_with_every_kind_of_character_comes_through() -> None:
    text = 'quote " backslash \\ newline \n tab \t nul \x00 café 寿司'
    (found,) = read(json.dumps({"review_id": "a", "text": text}).encode(), "r.json")
    assert found == Review(1, "a", text)


@pytest.mark.parametrize(
    "line",
    [
        b'{"text": "caf\\u00e9", "stars": NaN}',
        b'{"text": "caf\\u00e9", "stars": 1e999}',
        b'\xef\xbb\xbf{"text": "caf\xc3\xa9"}',
        b'{"text": "other", "text": "caf\xc3\xa9"}',
        b' {"text":"caf\xc3\xa9"} \r',
        b'{"text": "caf\\u00e9", "deep": ' + b"[" * 900 + b"]" * 900 + b"}",
    ],
)
def test_what_the_standard_library_takes_is_taken(line: bytes) -> None:
    assert [f.text for f in read(line + b"\n", "r.json") if isinstance(f, Review)] == ["caf\u00e9"]


@pytest.mark.parametrize(
    "text",
    [
        b'[\n{"text": "one"},\n{"text": "two"}\n]\n',
        b'[{"text": "one"},\r\n{"text": "two"}]',
        b'\xef\xbb\xbf[\n  {"text": "one"}\n,\n  {"text": "two"}\n]',
    ],
)
@pytest.mark.parametrize("part_bytes", [5, 1 << 20])
def test_array_of_one_review_a_line_is_read(text: bytes, part_bytes: int) -> None:
    found = read(text, "r.json", part_bytes=part_bytes)
    assert [review.text for review in found if isinstance(review, Review)] == ["one", "two"]
    assert {line.reason for line in found if isinstance(line, Rejected)} <= {"a bracket of an array"}


def test_array_in_one_line_is_rejected_with_what_it_is() -> None:
    assert reason(b'[{"text": "one"}, {"text": "two"}]\n') == "a JSON array in one line, expected one review a line"


@pytest.mark.parametrize("data", [b'{"body": "Soup.", "key": "k"}\n', b'[\n {"body": "Soup.",\n  "key": "k"}\n]'])
def test_keys_of_other_names_are_read_if_they_are_named(data: bytes) -> None:
    assert read(data, "r.json", columns=Columns("body", "key")) == [Review(1, "k", "Soup.")]
    assert read(data, "r.json", columns=Columns("text", "key")) == [Rejected(1, "no text")]
    assert read(data, "r.json", columns=Columns("Body")) == [Rejected(1, "no Body")]
