"""Reviews out of CSV with a header."""

import csv
from collections.abc import Iterator
from typing import IO

from preprocessing.errors import InputError
from preprocessing.sources.review import LONE_SURROGATE, MAX_LINE_BYTES, TOO_LONG, Rejected, Review, review


def read(stream: IO[bytes], *, name: str) -> Iterator[Review | Rejected]:
    """Rows with the columns `text` and, if there, `review_id`; a row's number is that of its first line."""
    lines = _Lines(stream)
    csv.field_size_limit(MAX_LINE_BYTES)
    rows = csv.reader(lines, strict=True)
    header = _row(rows, lines)
    if not isinstance(header, list) or "text" not in header:
        raise InputError(f"{name}: line 1: expected a header with a column named text, found {str(header)[:100]}")
    repeated = [column for column in ("text", "review_id") if header.count(column) > 1]
    if repeated:
        raise InputError(f"{name}: line 1: two columns named {repeated[0]}, expected one")
    text, identity = header.index("text"), header.index("review_id") if "review_id" in header else None
    while (row := _row(rows, lines)) is not None:
        if isinstance(row, str):
            yield Rejected(lines.first, row)
        elif len(row) != len(header):
            yield Rejected(lines.first, "another number of columns than the header")
        else:
            found = review(lines.first, None if identity is None else row[identity], row[text])
            # A byte that is no UTF-8 came through as half a surrogate pair.
            yield Rejected(found.line, "not UTF-8") if found == (found.line, LONE_SURROGATE) else found


def _row(rows: Iterator[list[str]], lines: "_Lines") -> list[str] | str | None:
    """The next row, why it is none, or None at the end."""
    lines.begin()
    try:
        return next(rows, None)
    except csv.Error:
        return "not CSV"
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
