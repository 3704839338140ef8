import gzip
import io
import json
import random
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from preprocessing.errors import InputError
from preprocessing.sources.reader import FORMATS, PART_BYTES, check_name, read_part, split_file
from preprocessing.sources.review import MAX_LINE_BYTES, Rejected, Review
from tests.support.inputs import KAGGLE, Endless, gzipped, json_line, kaggle_zip, reviews, zipped

TWO_LINES = b'{"review_id": "a", "text": "Good soup."}\n{"review_id": "b", "text": "Bad soup."}\n'
TWO_REVIEWS = [Review(1, "a", "Good soup."), Review(2, "b", "Bad soup.")]


def read(data: bytes, name: str, *, part_bytes: int = PART_BYTES) -> list[Review | Rejected]:
    """All parts of a file, one after the other."""
    parts = split_file(0, url=name, name=name, size=len(data), part_bytes=part_bytes)
    return [found for part in parts for found in read_part(io.BytesIO(data), part)]


def error(data: bytes, name: str) -> str:
    with pytest.raises(InputError) as raised:
        read(data, name)
    return str(raised.value)


def reason(line: bytes, name: str = "reviews.json") -> str:
    """Why the second of three lines is rejected; its neighbours must not suffer."""
    lines = json_line("first") + line + json_line("last")
    first, found, last = read(kaggle_zip(lines) if name.endswith(".zip") else lines, name)
    assert isinstance(first, Review)
    assert isinstance(last, Review)
    assert (first.line, first.text, last.line, last.text) == (1, "first", 3, "last")
    assert isinstance(found, Rejected)
    assert found.line == 2
    return found.reason


@pytest.mark.parametrize("name", ["reviews.json", "reviews.jsonl", "REVIEWS.JSON", "folder/more.reviews.jsonl"])
def test_json_lines_are_read_in_order(name: str) -> None:
    assert read(TWO_LINES, name) == TWO_REVIEWS


def test_all_but_id_and_text_is_ignored() -> None:
    line = (
        b'{"votes": {"funny": 0}, "user_id": "u", "review_id": "a", "stars": 5, "date": "2011-01-26", '
        b'"text": "Good soup.", "type": "review", "business_id": "b"}\n'
    )
    assert read(line, "r.json") == [Review(1, "a", "Good soup.")]


def test_the_reviews_of_kaggles_zip_are_read_from_among_its_members() -> None:
    assert read(kaggle_zip(TWO_LINES), "yelp_training_set.zip") == TWO_REVIEWS


@pytest.mark.parametrize("name", ["reviews.json.gz", "reviews.jsonl.GZ"])
def test_compressed_json_lines_are_read(name: str) -> None:
    assert read(gzipped(TWO_LINES), name) == TWO_REVIEWS


def test_a_gzip_file_of_two_parts_is_read_to_its_end() -> None:
    first, second = TWO_LINES.splitlines(keepends=True)
    assert read(gzipped(first) + gzipped(second), "r.json.gz") == TWO_REVIEWS


@pytest.mark.parametrize("name", ["reviews.txt", "reviews.txt.gz"])
def test_text_of_reviews_in_braces_is_read(name: str) -> None:
    text = b"{Good soup.}{Bad\nsoup.}\n {So so.}\n"
    found = read(gzipped(text) if name.endswith(".gz") else text, name)
    assert [(f.line, f.text) for f in found if isinstance(f, Review)] == [
        (1, "Good soup."),
        (2, "Bad\nsoup."),
        (3, "So so."),
    ]


def test_a_lone_brace_stays_in_its_review() -> None:
    found = read(b"{a smile :} and {more}{next}", "reviews.txt")
    assert [f.text for f in found if isinstance(f, Review)] == ["a smile :} and {more", "next"]


def test_an_empty_review_in_braces_is_rejected() -> None:
    found = read(b"{one}{}{three}", "reviews.txt")
    assert found[1] == Rejected(2, "text is empty")
    assert len(found) == 3


@pytest.mark.parametrize("text", [b"no braces", b"{no end", b"no start}", b"{"])
def test_text_without_braces_at_both_ends_is_an_error(text: bytes) -> None:
    assert error(text, "reviews.txt").startswith("reviews.txt: expected {review}{review}, found ")


def test_text_that_is_not_utf8_is_an_error_with_its_place() -> None:
    assert error(b"{caf\xe9}", "reviews.txt") == "reviews.txt: not UTF-8 at byte 4"


@pytest.mark.parametrize("text", [b"", b" \n"])
def test_text_of_nothing_holds_no_reviews(text: bytes) -> None:
    assert read(text, "reviews.txt") == []


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


def padded(size: int) -> bytes:
    """A review's line of `size` bytes, its newline not counted."""
    start, end = b'{"text": "', b'"}'
    return start + b"x" * (size - len(start) - len(end)) + end


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
    assert found[0] == "text:09708a681e881f2838a8d7103e7bdeb1"  # of printf "Good soup." | b2sum -l 128


def test_a_zip_without_reviews_names_what_it_found() -> None:
    data = zipped({"yelp/yelp_training_set_user.json": b"{}", "READ_ME.pdf": b"%PDF"})
    expected = "expected one member named *review.json, found yelp/yelp_training_set_user.json, READ_ME.pdf"
    assert error(data, "y.zip") == f"y.zip: {expected}"


def test_an_empty_zip_is_an_error() -> None:
    assert error(zipped({}), "y.zip") == "y.zip: expected one member named *review.json, found nothing"


def test_a_zip_with_two_members_of_reviews_is_an_error() -> None:
    data = zipped({"a/review.json": TWO_LINES, "b/review.json": TWO_LINES})
    assert error(data, "y.zip") == "y.zip: expected one member named *review.json, found a/review.json, b/review.json"


@pytest.mark.parametrize(
    "member", ["/etc/review.json", "../review.json", "a/../../review.json", "..\\review.json", "C:\\review.json"]
)
def test_a_member_that_points_outside_the_archive_is_an_error(member: str) -> None:
    assert error(zipped({member: TWO_LINES}), "y.zip") == f"y.zip: member {member!r} points outside the archive"


def test_two_dots_inside_a_name_point_nowhere() -> None:
    assert read(zipped({"a..b/c..review.json": TWO_LINES}), "y.zip") == TWO_REVIEWS


def test_an_encrypted_zip_is_an_error() -> None:
    data = bytearray(kaggle_zip(TWO_LINES))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # of a member's own head, of the directory's
        name = data.index(KAGGLE.encode(), data.index(signature) if flags == 6 else data.index(b"PK\x01\x02"))
        data[data.rindex(signature, 0, name) + flags] |= 1
    assert error(bytes(data), "y.zip").startswith("y.zip: a zip that cannot be read: File ")


@pytest.mark.parametrize("data", [b"Not found", TWO_LINES, gzipped(TWO_LINES), b"PK\x03\x04"])
def test_what_is_not_a_zip_is_an_error(data: bytes) -> None:
    assert error(data, "y.zip").startswith("y.zip: damaged or truncated, expected a whole zip file: ")


def test_what_is_not_gzip_is_an_error() -> None:
    assert error(TWO_LINES, "r.json.gz").startswith("r.json.gz: damaged or truncated, expected a whole gz file: ")


@pytest.mark.parametrize(
    ("data", "name"),
    [(kaggle_zip(b"".join(reviews(50))), "y.zip"), (gzipped(b"".join(reviews(50))), "r.json.gz")],
    ids=["zip", "gzip"],
)
def test_a_file_cut_anywhere_is_an_error(data: bytes, name: str) -> None:
    for size in range(1, len(data)):
        assert error(data[:size], name).startswith(f"{name}: ")


def stored_zip(method: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr(KAGGLE, b"".join(reviews(50)))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (stored_zip(zipfile.ZIP_STORED), "y.zip"),
        (stored_zip(zipfile.ZIP_DEFLATED), "y.zip"),
        (stored_zip(zipfile.ZIP_BZIP2), "y.zip"),
        (stored_zip(zipfile.ZIP_LZMA), "y.zip"),
        (gzip.compress(b"".join(reviews(50)), mtime=0), "r.json.gz"),
    ],
    ids=["stored", "deflated", "bzip2", "lzma", "gzip"],
)
def test_a_changed_byte_is_an_error_or_changes_nothing(data: bytes, name: str) -> None:
    whole = read(data, name)
    random_numbers = random.Random(7)
    errors = []
    for _ in range(400):
        damaged = bytearray(data)
        damaged[random_numbers.randrange(len(data))] ^= random_numbers.randrange(1, 256)
        try:
            found = read(bytes(damaged), name)
        except InputError as wrong:
            errors.append(str(wrong))
        else:
            assert found == whole
    assert len(errors) > 200
    assert [wrong for wrong in errors if not wrong.startswith(f"{name}: ")] == []


@pytest.mark.parametrize(
    ("name", "suffix"), [("reviews.tsv", ".tsv"), ("reviews.xml.gz", ".xml"), ("reviews.7z", ".7z")]
)
def test_an_unknown_suffix_is_an_error_that_lists_the_known(name: str, suffix: str) -> None:
    assert error(gzipped(TWO_LINES), name) == f"{name}: unknown format {suffix!r}, expected {FORMATS}"
    with pytest.raises(InputError):
        check_name(name)


def test_a_file_without_a_suffix_is_an_error() -> None:
    assert error(TWO_LINES, "reviews").startswith("reviews: no suffix, expected .json, ")


@pytest.mark.parametrize("name", ["r.json", "r.jsonl.gz", "r.txt", "y.ZIP"])
def test_a_name_of_a_known_format_passes(name: str) -> None:
    check_name(name)


def test_a_text_with_every_kind_of_character_comes_through() -> None:
    text = 'quote " backslash \\ newline \n tab \t nul \x00 café 寿司'
    (found,) = read(json.dumps({"review_id": "a", "text": text}).encode(), "r.json")
    assert found == Review(1, "a", text)


@pytest.mark.parametrize("part_bytes", [1, 7, 40, 100, 1000])
def test_parts_of_any_size_hold_each_line_once(part_bytes: int) -> None:
    lines = [*reviews(5), b"\n", b"not JSON\n", padded(150) + b"\r\n", b"\n\n", json_line("caf\u00e9"), b"cut"]
    data = b"".join(lines)
    whole = read(data, "r.jsonl")
    parts = split_file(0, url="r.jsonl", name="r.jsonl", size=len(data), part_bytes=part_bytes)
    assert [part.start for part in parts] == list(range(0, len(data), part_bytes))
    found, first = [], 0
    for part in parts:
        mine = list(read_part(io.BytesIO(data), part))
        assert [f.line for f in mine] == list(range(1, len(mine) + 1))
        found += [f._replace(line=first + f.line) for f in mine]
        first += len(mine)
    assert found == whole


def test_a_part_inside_an_endless_line_is_empty() -> None:
    data = b"x" * 5_000_000 + b"\n" + json_line("next")
    found = [
        list(read_part(io.BytesIO(data), part))
        for part in split_file(0, url="", name="r.json", size=len(data), part_bytes=1_000_000)
    ]
    assert [len(part) for part in found] == [1, 0, 0, 0, 0, 1]
    assert found[0] == [Rejected(1, "over 1000000 bytes")]


@pytest.mark.parametrize("name", ["r.json.gz", "y.zip", "r.csv", "r.txt", "y.tar"])
def test_a_file_whose_lines_are_told_from_its_start_is_one_part(name: str) -> None:
    (part,) = split_file(3, url=f"in/{name}", name=name, size=10**10)
    assert (part.source, part.part, part.start, part.stop) == (3, 0, 0, 10**10)


@contextmanager
def memory_below(limit: int) -> Iterator[None]:
    """Of what Python allocates in the block."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < limit


@pytest.mark.parametrize("name", ["r.json", "r.csv"])
def test_a_line_of_two_gigabytes_is_rejected_with_flat_memory(name: str) -> None:
    size = 2 << 30
    (part,) = split_file(0, url=name, name=name, size=size, part_bytes=size)
    with memory_below(10_000_000):
        if name == "r.json":
            found = list(read_part(Endless(size), part))  # type: ignore[arg-type]
            assert found == [Rejected(1, "over 1000000 bytes")]
        else:
            with pytest.raises(InputError, match="line 1: expected a header"):
                list(read_part(Endless(size), part))  # type: ignore[arg-type]


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
    assert [f.text for f in found[2:] if isinstance(f, Review)] == ["a"] * 100_000


@pytest.mark.parametrize("header", [b"a,b\n", b"\n", b'"text\n', b"Text\n", b"\xff\n"])
def test_csv_without_a_column_of_text_is_an_error(header: bytes) -> None:
    assert error(header + b"1,2\n", "r.csv").startswith(
        "r.csv: line 1: expected a header with a column named text, found "
    )


def test_csv_of_a_header_alone_holds_no_reviews() -> None:
    assert read(b"review_id,text\n", "r.csv") == []


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


def test_braces_are_read_a_piece_at_a_time() -> None:
    texts = ["a" * 200_000, "b" * MAX_LINE_BYTES, "c" * (MAX_LINE_BYTES + 1), "\u00e9" * 600_000, "} d {", "e"]
    joined = "{" + "}\n \n{".join(texts) + "}\n"
    found = read(joined.encode(), "r.txt")
    assert [f.line for f in found] == [1, 2, 3, 4, 5, 6]
    assert [isinstance(f, Review) for f in found] == [True, True, False, False, True, True]
    assert [f.text for f in found if isinstance(f, Review)] == [texts[0], texts[1], texts[4], texts[5]]


def test_a_brace_where_a_piece_ends_still_ends_a_review() -> None:
    for size in range(65_530, 65_545):
        for space in ("", "\n", " " * 20):
            found = read(("{" + "a" * size + "}" + space + "{b}").encode(), "r.txt")
            assert [len(f.text) for f in found if isinstance(f, Review)] == [size, 1]


def test_text_of_two_gigabytes_without_an_end_takes_little_memory() -> None:
    class Braces(Endless):
        begun = False

        def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
            count = super().readinto(buffer)
            if not self.begun:
                buffer[0], self.begun = ord("{"), True
            return count

    size = 2 << 30
    (part,) = split_file(0, url="r.txt", name="r.txt", size=size)
    with memory_below(20_000_000), pytest.raises(InputError, match="found no } where it ends"):
        list(read_part(Braces(size), part))  # type: ignore[arg-type]


@pytest.mark.parametrize("column", ["text", "review_id"])
def test_csv_with_two_columns_of_one_name_is_an_error(column: str) -> None:
    wrong = error(f"text,review_id,{column}\na,b,c\n".encode(), "r.csv")
    assert wrong == f"r.csv: line 1: two columns named {column}, expected one"
