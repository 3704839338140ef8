import io
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from preprocessing.errors import InputError
from preprocessing.sources.reader import FORMATS, PART_BYTES, check_name, is_splittable, read_part, split_file
from preprocessing.sources.review import DEFAULT_COLUMNS, Columns, Rejected, Review
from tests.support.inputs import Endless, gzipped, json_line, kaggle_zip, reviews, tarred, yelp_tar, zipped

TWO_LINES = b'{"review_id": "a", "text": "Good soup."}\n{"review_id": "b", "text": "Bad soup."}\n'


TWO_REVIEWS = [Review(1, "a", "Good soup."), Review(2, "b", "Bad soup.")]


def read(
    data: bytes, name: str, *, part_bytes: int = PART_BYTES, columns: Columns = DEFAULT_COLUMNS
) -> list[Review | Rejected]:
    """Read all parts of a file, in order."""
    lines = is_splittable(name, len(data), lambda: data)
    parts = split_file(0, url=name, name=name, size=len(data), lines=lines, part_bytes=part_bytes, columns=columns)
    return [found for part in parts for found in read_part(io.BytesIO(data), part)]


def error(data: bytes, name: str) -> str:
    with pytest.raises(InputError) as raised:
        read(data, name)
    return str(raised.value)


@pytest.mark.parametrize("name", ["reviews.json", "reviews.jsonl", "REVIEWS.JSON", "folder/more.reviews.jsonl"])
def test_json_lines_are_read_in_order(name: str) -> None:
    assert read(TWO_LINES, name) == TWO_REVIEWS


def test_the_reviews_of_kaggles_zip_are_read_from_among_its_members() -> None:
    assert read(kaggle_zip(TWO_LINES), "yelp_training_set.zip") == TWO_REVIEWS


def padded(size: int) -> bytes:
    """Return a line with a review, of `size` bytes without the newline."""
    start, end = b'{"text": "', b'"}'
    return start + b"x" * (size - len(start) - len(end)) + end


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


@pytest.mark.parametrize(
    ("name", "suffix"), [("reviews.xls", ".xls"), ("reviews.xml.gz", ".xml"), ("reviews.7z", ".7z")]
)
def test_an_unknown_suffix_is_an_error_that_lists_the_known(name: str, suffix: str) -> None:
    assert error(gzipped(TWO_LINES), name) == f"{name}: unknown format {suffix!r}, expected {FORMATS}"
    with pytest.raises(InputError):
        check_name(name, lambda: TWO_LINES)


def test_a_file_without_a_suffix_is_an_error() -> None:
    assert error(TWO_LINES, "reviews").startswith("reviews: no suffix, expected .json, ")


@pytest.mark.parametrize("name", ["r.json", "r.jsonl.gz", "r.txt", "y.ZIP"])
def test_a_name_of_a_known_format_passes(name: str) -> None:
    check_name(name, lambda: b"")


@pytest.mark.parametrize("part_bytes", [1, 7, 40, 100, 1000])
def test_parts_of_any_size_hold_each_line_once(part_bytes: int) -> None:
    lines = [*reviews(5), b"\n", b"not JSON\n", padded(150) + b"\r\n", b"\n\n", json_line("caf\u00e9"), b"cut"]
    data = b"".join(lines)
    whole = read(data, "r.jsonl")
    parts = split_file(0, url="r.jsonl", name="r.jsonl", size=len(data), lines=True, part_bytes=part_bytes)
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
        for part in split_file(0, url="", name="r.json", size=len(data), lines=True, part_bytes=1_000_000)
    ]
    assert [len(part) for part in found] == [1, 0, 0, 0, 0, 1]
    assert found[0] == [Rejected(1, "over 1000000 bytes")]


@pytest.mark.parametrize("name", ["r.json.gz", "y.zip", "r.csv", "r.txt", "y.tar"])
def test_a_file_whose_lines_are_told_from_its_start_is_one_part(name: str) -> None:
    lines = is_splittable(name, 10**10, lambda: b"")
    (part,) = split_file(3, url=f"in/{name}", name=name, size=10**10, lines=lines)
    assert (part.source, part.part, part.start, part.stop) == (3, 0, 0, 10**10)


@contextmanager
def memory_below(limit: int) -> Iterator[None]:
    """Check that Python's peak allocation in the block stays below `limit` bytes."""
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
    (part,) = split_file(0, url=name, name=name, size=size, lines=True, part_bytes=size)
    with memory_below(10_000_000):
        if name == "r.json":
            found = list(read_part(Endless(size), part))  # type: ignore[arg-type]
            assert found == [Rejected(1, "over 1000000 bytes")]
        else:
            with pytest.raises(InputError, match="line 1: expected a header"):
                list(read_part(Endless(size), part))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"\n<!DOCTYPE html><html>", "an HTML page"),
        ("{}".encode("utf-16"), "UTF-16"),
        (b"PAR1\x15", "Parquet"),
    ],
)
@pytest.mark.parametrize("name", ["r.json", "r.csv", "r.txt"])
def test_other_formats_are_refused_by_their_name(head: bytes, what: str, name: str) -> None:
    assert error(head + b" " * 100, name).startswith(f"{name}: is {what}")


def test_compressed_file_in_several_parts_is_refused_by_its_name() -> None:
    with pytest.raises(InputError, match="r.json: is gzip; name it .gz"):
        read(gzipped(TWO_LINES), "r.json", part_bytes=40)


@pytest.mark.parametrize(
    "name", ["reviews.json", "reviews.csv", "yelp_dataset", "yelp_dataset.tar", "reviews.gz", "reviews.zip"]
)
@pytest.mark.parametrize(
    "data",
    [
        yelp_tar(TWO_LINES),
        gzipped(yelp_tar(TWO_LINES)),
        tarred({"yelp_dataset.tar": yelp_tar(TWO_LINES), "terms.pdf": b"%PDF"}),
        gzipped(gzipped(tarred({"inner.tgz": gzipped(yelp_tar(TWO_LINES))}))),
        kaggle_zip(TWO_LINES),
    ],
    ids=["tar", "gzip of a tar", "tar in a tar", "tar in a tar in gzip twice", "zip"],
)
def test_the_content_tells_the_layers_and_not_the_name(name: str, data: bytes) -> None:
    check_name(name, lambda: data[:512])
    assert read(data, name) == TWO_REVIEWS
