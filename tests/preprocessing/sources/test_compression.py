import gzip
import io
import random
import zipfile

import pytest

from preprocessing.errors import InputError
from tests.preprocessing.sources.test_reader import TWO_LINES, TWO_REVIEWS, error, read
from tests.support.inputs import KAGGLE, gzipped, kaggle_zip, reviews


@pytest.mark.parametrize("name", ["reviews.json.gz", "reviews.jsonl.GZ"])
def test_compressed_json_lines_are_read(name: str) -> None:
    assert read(gzipped(TWO_LINES), name) == TWO_REVIEWS


def test_a_gzip_file_of_two_parts_is_read_to_its_end() -> None:
    first, second = TWO_LINES.splitlines(keepends=True)
    assert read(gzipped(first) + gzipped(second), "r.json.gz") == TWO_REVIEWS


def test_an_encrypted_zip_is_an_error() -> None:
    data = bytearray(kaggle_zip(TWO_LINES))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # of a member's own head, of the directory's
        name = data.index(KAGGLE.encode(), data.index(signature) if flags == 6 else data.index(b"PK\x01\x02"))
        data[data.rindex(signature, 0, name) + flags] |= 1
    assert error(bytes(data), "y.zip").startswith("y.zip: zip is not readable: File ")


@pytest.mark.parametrize("data", [b"Not found", TWO_LINES, b"PK\x03\x04"])
def test_what_is_not_a_zip_is_an_error(data: bytes) -> None:
    assert error(data, "y.zip").startswith("y.zip: damaged or truncated, expected a whole zip file: ")


def test_gzip_of_another_name_is_read() -> None:
    assert read(gzipped(TWO_LINES), "y.zip") == TWO_REVIEWS


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
