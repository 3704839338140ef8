"""Reviews out of a file: JSON lines, CSV with a header, and {review}{review} text.

Each line ends as a Review or as a Rejected with its number and reason; a file that cannot be read as what its
name says is an InputError. Plain JSON lines may be read in parts, side by side.
"""

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any, NamedTuple

import orjson

from preprocessing import archives
from preprocessing.errors import InputError

MAX_LINE_BYTES = 1_000_000
PART_BYTES = 32 << 20
FORMATS = ".json, .jsonl, .csv or .txt, plain or as .gz, .bz2 or .zst, or a .zip, .tar or .tgz"

TOO_LONG = f"over {MAX_LINE_BYTES} bytes"


class Review(NamedTuple):
    """One review; `line` counts from 1 in its part of the file (for {review}{review} text it counts reviews)."""

    line: int
    id: str
    text: str


class Rejected(NamedTuple):
    """A line that is no review, and why."""

    line: int
    reason: str


@dataclass(frozen=True)
class Part:
    """What is read in one go: the lines of a file that begin at bytes `start` to `stop` - 1 of its `bytes`."""

    source: int
    part: int
    url: str
    name: str
    bytes: int
    start: int
    stop: int


def parts(source: int, *, url: str, name: str, size: int, part_bytes: int = PART_BYTES) -> list[Part]:
    """A file's parts, in order: one, if its lines can only be told from the file's start."""
    plain = PurePosixPath(name).suffix.lower() in (".json", ".jsonl")
    starts = range(0, size, part_bytes) if plain else [0]
    stops = [*starts[1:], size]
    return [
        Part(source, number, url, name, size, start, stop)
        for number, (start, stop) in enumerate(zip(starts, stops, strict=True))
    ]


def read(stream: IO[bytes], part: Part) -> Iterator[Review | Rejected]:
    """The reviews and rejected lines of one part of a file, in order.

    Raises InputError, naming the file, if it is damaged or not of the format that its name says.
    """
    if part.start or part.stop < part.bytes:
        yield from _lines_between(io.BufferedReader(stream, archives.BUFFER_BYTES), part)  # type: ignore[type-var]
        return
    with archives.opened(stream, name=part.name, size=part.bytes) as (inner, innermost):
        match _format(part.name, innermost):
            case ".csv":
                yield from _read_csv(inner, name=part.name)
            case ".txt":
                yield from _read_braces(inner, name=part.name)
            case _:
                yield from _read_lines(inner)


def check_name(name: str) -> None:
    """InputError unless the file's name says a format that `read` knows."""
    inner = archives.inner_name(name)
    if inner is not None:
        _format(name, inner)


def _format(name: str, inner: str) -> str:
    suffix = PurePosixPath(inner).suffix.lower()
    if suffix in (".json", ".jsonl", ".csv", ".txt"):
        return suffix
    raise InputError(f"{name}: {f'unknown format {suffix!r}' if suffix else 'no suffix'}, expected {FORMATS}")


def _lines_between(stream: IO[bytes], part: Part) -> Iterator[Review | Rejected]:
    """The lines that begin in the part; the one that reaches into it belongs to the part before."""
    place = max(0, part.start - 1)
    stream.seek(place)
    at_start = part.start == 0
    while not at_start and place < part.stop:
        piece = stream.readline(MAX_LINE_BYTES)
        if not piece:
            return
        place += len(piece)
        at_start = piece.endswith(b"\n")
    yield from _read_lines(stream, limit=part.stop - place)


def _read_lines(stream: IO[bytes], *, limit: int | None = None) -> Iterator[Review | Rejected]:
    """The lines that begin before byte `limit` of the stream, from where it stands."""
    number, place = 0, 0
    while (limit is None or place < limit) and (line := stream.readline(MAX_LINE_BYTES + 1)):
        number += 1
        place += len(line)
        if len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = stream.readline(MAX_LINE_BYTES)
                place += len(line)
            yield Rejected(number, TOO_LONG)
        else:
            yield parse(line, number)


def parse(line: bytes, number: int) -> Review | Rejected:
    """A JSON line with the keys of Yelp's reviews, of which `review_id` and `text` are read."""
    try:
        record = orjson.loads(line)
    except ValueError:
        # Strict to the letter. The standard library has the last word: it takes more, and knows why it does not.
        try:
            record = json.loads(line.decode("utf-8-sig"))
        except UnicodeDecodeError:
            return Rejected(number, "not UTF-8")
        except (ValueError, RecursionError):
            return Rejected(number, "not JSON")
    if not isinstance(record, dict):
        return Rejected(number, "not a JSON object")
    if "text" not in record:
        return Rejected(number, "no text")
    return _review(number, record.get("review_id"), record["text"])


def _read_csv(stream: IO[bytes], *, name: str) -> Iterator[Review | Rejected]:
    """Rows with the columns `text` and, if there, `review_id`; a row's number is that of its first line."""
    lines = _Lines(stream)
    csv.field_size_limit(MAX_LINE_BYTES)
    rows = csv.reader(lines, strict=True)
    header = _row(rows, lines)
    if not isinstance(header, list) or "text" not in header:
        raise InputError(f"{name}: line 1: expected a header with a column named text, found {str(header)[:100]}")
    text, identity = header.index("text"), header.index("review_id") if "review_id" in header else None
    while (row := _row(rows, lines)) is not None:
        if isinstance(row, str):
            yield Rejected(lines.first, row)
        elif len(row) != len(header):
            yield Rejected(lines.first, "another number of columns than the header")
        else:
            found = _review(lines.first, None if identity is None else row[identity], row[text])
            # A byte that is no UTF-8 came through as half a surrogate pair.
            yield Rejected(found.line, "not UTF-8") if found[1:] == ("text has a lone surrogate",) else found


def _row(rows: Iterator[list[str]], lines: "_Lines") -> list[str] | str | None:
    """The next row, why it is none, or None at the end."""
    lines.begin()
    try:
        return next(rows, None)
    except csv.Error as error:
        return TOO_LONG if "field limit" in str(error) else "not CSV"
    except _TooLongError:
        return TOO_LONG


class _TooLongError(Exception):
    """A row of CSV that is over MAX_LINE_BYTES."""


class _Lines:
    """Lines of text for csv.reader, which asks for as many as a row has."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._number = self._bytes = 0
        self.first = 0  # the line that the row begins with

    def begin(self) -> None:
        self.first, self._bytes = self._number + 1, 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._stream.readline(MAX_LINE_BYTES + 1)
        if not line:
            raise StopIteration
        self._number += 1
        self._bytes += len(line)
        if self._bytes > MAX_LINE_BYTES:
            while line and not line.endswith(b"\n"):
                line = self._stream.readline(MAX_LINE_BYTES)
            raise _TooLongError
        text = line.decode("utf-8", "surrogateescape")
        return text.removeprefix("\ufeff") if self._number == 1 else text


def _read_braces(stream: IO[bytes], *, name: str) -> Iterator[Review | Rejected]:
    """`{review}{review}`: ends where a closing brace meets an opening one, so a lone brace stays inside."""
    try:
        text = stream.read().decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: not UTF-8 at byte {error.start}") from None
    if not text:
        return
    if not (text.startswith("{") and text.endswith("}")):
        raise InputError(f"{name}: expected {{review}}{{review}}, found {len(text)} characters without both ends")
    for number, review in enumerate(re.split(r"\}\s*\{", text[1:-1]), start=1):
        yield _review(number, None, review)


def _review(number: int, identity: object, text: Any) -> Review | Rejected:
    if not isinstance(text, str):
        return Rejected(number, "text is not a string")
    if not text or text.isspace():
        return Rejected(number, "text is empty")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return Rejected(number, "text has a lone surrogate")
    if isinstance(identity, str) and identity:
        return Review(number, identity, text)
    return Review(number, "text:" + hashlib.blake2b(text.encode(), digest_size=16).hexdigest(), text)
