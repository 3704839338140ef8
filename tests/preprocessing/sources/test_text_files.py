import pytest

from preprocessing.errors import InputError
from preprocessing.sources.reader import read_part, split_file
from preprocessing.sources.review import MAX_LINE_BYTES, Rejected, Review
from tests.preprocessing.sources.test_reader import error, memory_below, read
from tests.support.inputs import Endless, gzipped


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
    (part,) = split_file(0, url="r.txt", name="r.txt", size=size, lines=False)
    with memory_below(20_000_000), pytest.raises(InputError, match="found no } at its end"):
        list(read_part(Braces(size), part))  # type: ignore[arg-type]
