import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocessing.errors import InputError
from preprocessing.sources.review import Columns, Rejected, Review
from tests.preprocessing.sources.test_reader import error, read
from tests.support.inputs import gzipped

CSV = b'review_id,stars,text\na,5,Good soup.\nb,1,"Bad, ""so"" bad\nsoup."\n'


def test_csv_is_read_by_its_columns_names() -> None:
    assert read(CSV, "r.csv") == [Review(2, "a", "Good soup."), Review(3, "b", 'Bad, "so" bad\nsoup.')]
    assert read(b"\xef\xbb\xbf" + CSV.replace(b"\n", b"\r\n"), "r.csv.gz".removesuffix(".gz"))[0] == Review(
        2, "a", "Good soup."
    )
    assert read(gzipped(CSV), "r.csv.gz") == read(CSV, "r.csv")
    without_id = read(b"text\nGood soup.\n", "r.csv")
    assert without_id == [Review(2, "text:09708a681e881f2838a8d7103e7bdeb1", "Good soup.")]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (b"x,5\n", "another number of columns than the header"),
        (b"x,5,one,two\n", "another number of columns than the header"),
        (b"\n", "another number of columns than the header"),
        (b"x,5,\n", "text is empty"),
        (b"x,5, \n", "text is empty"),
        (b"x,5,caf\xe9\n", "not UTF-8"),
        (b'x,5,"a"b\n', "not CSV"),
        (b"x,5,a\rb\n", "not CSV"),
        (b"x,5," + b"a" * 1_000_001 + b"\n", "over 1000000 bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_row_is_rejected_with_its_line_and_reason(row: bytes, expected: str) -> None:
    found = read(b"review_id,stars,text\na,5,first\n" + row + b"b,5,last\n", "r.csv")
    assert found[0] == Review(2, "a", "first")
    assert found[1] == Rejected(3, expected)
    assert found[-1][1:] == ("b", "last")


def test_a_quote_that_never_ends_takes_no_more_memory_than_a_line_may() -> None:
    found = read(b'text\nfirst\n"' + b"a\n" * 600_000, "r.csv")
    assert found[:2] == [Review(2, found[0][1], "first"), Rejected(3, "over 1000000 bytes")]
    assert [f.text for f in found[2:] if isinstance(f, Review)] == ["a"] * 599_999


@pytest.mark.parametrize("header", [b"a,b\n", b"\n", b'"text\n', b"Text\n", b"\xff\n"])
def test_csv_without_a_column_of_text_is_an_error(header: bytes) -> None:
    assert error(header + b"1,2\n", "r.csv").startswith(
        "r.csv: line 1: expected a header with a column named text, found "
    )


def test_header_of_tab_separated_values_with_an_open_quote_is_an_error() -> None:
    assert error(b'text\t"id\na\tb\n', "r.tsv").startswith("r.tsv: line 1: expected a header with a column named text")


def test_csv_of_a_header_alone_holds_no_reviews() -> None:
    assert read(b"review_id,text\n", "r.csv") == []


@pytest.mark.parametrize("column", ["text", "review_id"])
def test_csv_with_two_columns_of_one_name_is_an_error(column: str) -> None:
    wrong = error(f"text,review_id,{column}\na,b,c\n".encode(), "r.csv")
    assert wrong == f"r.csv: line 1: two columns named {column}, expected one"


def test_quote_that_never_closes_loses_its_own_row_alone() -> None:
    rows = [f"r{n},{'x' * n}\n" for n in range(1, 50)]
    rows[20] = 'r21,"open\n'
    found = read("".join(["review_id,text\n", *rows]).encode(), "r.csv")
    assert [line.line for line in found] == list(range(2, 51))
    assert [line for line in found if isinstance(line, Rejected)] == [Rejected(22, "not CSV")]


@given(st.lists(st.sampled_from(['"', ",", "\n", "a", "\r\n", '""', "x,y\n"]), max_size=40))
def test_each_line_of_a_file_belongs_to_one_row(pieces: list[str]) -> None:
    text = "".join(pieces)
    found = read(f"text\n{text}".encode(), "r.csv")
    lines = [line.line for line in found]
    assert lines == sorted(set(lines))
    # A row covers the lines up to the next row: a review as many as its text has, a rejected row its own.
    count = len(text.splitlines())
    for line, after in itertools.pairwise([*found, Rejected(count + 2, "")]):
        if isinstance(line, Rejected) and line.reason == "not CSV":
            assert after.line == line.line + 1


def test_tab_separated_values_are_read_as_csv_is() -> None:
    tsv = b'review_id\ttext\na\tGood soup, hot.\nb\t"Bad\tsoup."\n'
    expected = [Review(2, "a", "Good soup, hot."), Review(3, "b", "Bad\tsoup.")]
    assert read(tsv, "r.tsv") == expected
    assert read(tsv, "r.csv") == expected
    assert read(tsv[:-1] + b"\tmore\n", "r.tsv")[1] == Rejected(3, "another number of columns than the header")


def test_columns_of_other_names_are_read_if_they_are_named() -> None:
    table = b"Review,key\nGood soup.,k1\n"
    assert read(table, "r.csv", columns=Columns("Review", "key")) == [Review(2, "k1", "Good soup.")]
    assert error(table, "r.csv") == (
        "r.csv: line 1: expected a header with a column named text, found ['Review', 'key']; "
        "text_column and id_column name other columns"
    )
    with pytest.raises(InputError, match="a column named id, found "):
        read(table, "r.csv", columns=Columns("Review", "id"))
