"""Reviews from files behind URLs and from standard input, for commands that look at single reviews."""

import gzip
import re
import shutil
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

from preprocessing.errors import InputError
from preprocessing.sources.find import Source, find_sources
from preprocessing.sources.reader import FilePart, read_part
from preprocessing.sources.review import DEFAULT_COLUMNS, Columns, Rejected, Review
from preprocessing.storage.bucket import local_file
from preprocessing.storage.urls import split_url

STDIN = "-"
HEAD_BYTES = 1 << 16  # of standard input, from which its format is guessed


class ReviewLine(NamedTuple):
    """A review or a rejected line, with the name of its file."""

    source: str
    parsed: Review | Rejected


def find_review_files(
    urls: Sequence[str], stdin: IO[bytes], scratch: Path, columns: Columns = DEFAULT_COLUMNS
) -> list[Source]:
    """Return the files behind URLs and globs. `-` stands for standard input, which is copied to a file in `scratch`.

    Raises InputError for a missing or unreadable file, and for an empty standard input.
    """
    if STDIN not in urls:
        return find_sources(urls)
    path = scratch / "stdin"
    with path.open("wb") as file:
        shutil.copyfileobj(stdin, file)
    if not path.stat().st_size:
        raise InputError(f"{STDIN}: stdin is empty: pipe reviews into it, or name a file")
    path = path.rename(f"{path}{_suffix(path, columns)}")
    return find_sources([str(path) if url == STDIN else url for url in urls])


def read_review_files(
    files: Sequence[Source], scratch: Path, columns: Columns = DEFAULT_COLUMNS
) -> Iterator[ReviewLine]:
    """Yield the reviews and rejected lines of all files, in order. Raises InputError for a damaged or binary file."""
    for number, source in enumerate(files):
        folder, name = split_url(source.url)
        part = FilePart(number, 0, source.url, source.name, source.bytes, 0, source.bytes, columns)
        with local_file(folder, name, scratch) as path, path.open("rb") as stream:
            for parsed in read_part(stream, part, plain=True):
                yield ReviewLine(source.name, parsed)


def _suffix(path: Path, columns: Columns) -> str:
    """Guess a file name's suffix from the file's first bytes."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head.startswith(b"PK\x03\x04"):
        return ".zip"
    if head.startswith(b"\x1f\x8b"):
        head = b""
        with suppress(OSError, EOFError, zlib.error), gzip.open(path) as inner:  # its reader says what is wrong
            head = inner.read(HEAD_BYTES)
        return f"{_plain_suffix(head, columns)}.gz"
    return _plain_suffix(head, columns)


def _plain_suffix(head: bytes, columns: Columns) -> str:
    text = head.removeprefix("\ufeff".encode()).lstrip()
    if re.match(rb'\[?\s*\{\s*"[^"\n]*"\s*:', text):  # a JSON list too, whose lines are then rejected
        return ".jsonl"
    lines = [line.replace(b'"', b"").strip(b"\r") for line in text.split(b"\n")]
    header = lines[0].strip()
    for separator, suffix in ((b",", ".csv"), (b"\t", ".tsv")):
        names = header.split(separator)
        if len(names) > 1 and columns.text.encode() in names and b" " not in header.replace(columns.text.encode(), b""):
            return suffix
    _refuse_unknown_table(lines)
    return ".txt"


def _refuse_unknown_table(lines: Sequence[bytes]) -> None:
    """Raise InputError for lines that are a table's: else it would be scored as one review.

    A table has names in its first line, and in each of its next lines at least as many separators.
    """
    header, *rows = [line for line in lines[:-1] if line][:5] or [b""]  # the last line may be cut
    for separator, name in ((b"\t", "tab"), (b",", "comma")):
        columns = header.split(separator)
        is_header = len(columns) > 1 and all(re.fullmatch(rb"\w[\w.-]{0,40}", column) for column in columns)
        if is_header and rows and all(row.count(separator) >= len(columns) - 1 for row in rows):
            names = ", ".join(column.decode(errors="replace") for column in columns)
            raise InputError(
                f"{STDIN}: a {name}-separated table with the columns {names}: expected a column text (--text-column "
                "names another), JSON lines, or the text of one review"
            )
