"""Reviews in a table with a header: CSV, or tab-separated values."""

import csv
from collections import deque
from collections.abc import Iterator
from typing import IO

from preprocessing.errors import InputError
from preprocessing.sources.review import (
    DEFAULT_COLUMNS,
    LONE_SURROGATE,
    MAX_LINE_BYTES,
    TOO_LONG,
    Columns,
    Rejected,
    Review,
    make_review,
)


def read_csv(stream: IO[bytes], *, name: str, columns: Columns = DEFAULT_COLUMNS) -> Iterator[Review | Rejected]:
    """Yield each row as a review. A table whose header has tabs and no commas is separated by tabs.

    A row's number is the number of its first line. A row that is not CSV, as for a quote that is never closed, ends
    with its first line. Raises InputError, with the file's name, for a wrong header.
    """
    lines = _Lines(stream)
    csv.field_size_limit(MAX_LINE_BYTES)
    header, separator = _next_row(lines, ","), ","
    if isinstance(header, list) and len(header) == 1 and "\t" in header[0]:
        separator = "\t"
        try:
            header = next(csv.reader(header, strict=True, delimiter=separator))
        except csv.Error:
            header = "not CSV"
    if not isinstance(header, list):
        header = [str(header)]  # the reason why there is none
    text, review_id = _find_columns(header, columns, name)
    while (row := _next_row(lines, separator)) is not None:
        if isinstance(row, str):
            yield Rejected(lines.first, row)
        elif len(row) != len(header):
            yield Rejected(lines.first, "another number of columns than the header")
        else:
            review = make_review(lines.first, None if review_id is None else row[review_id], row[text])
            # A byte that is not UTF-8 was decoded to a lone surrogate.
            yield Rejected(review.line, "not UTF-8") if review == (review.line, LONE_SURROGATE) else review


def _find_columns(header: list[str], columns: Columns, name: str) -> tuple[int, int | None]:
    """Return the positions of text and id. Raises InputError, which names the columns that the header has."""
    expected = [columns.text] + [columns.id] * (columns.id != DEFAULT_COLUMNS.id)
    for column in expected:
        if column not in header:
            raise InputError(
                f"{name}: line 1: expected a header with a column named {column}, found {str(header)[:100]}; "
                "text_column and id_column name other columns"
            )
    repeated = [column for column in columns if header.count(column) > 1]
    if repeated:
        raise InputError(f"{name}: line 1: two columns named {repeated[0]}, expected one")
    return header.index(columns.text), header.index(columns.id) if columns.id in header else None


def _next_row(lines: "_Lines", separator: str) -> list[str] | str | None:
    """Return the next row, the reason why it is rejected, or None at the end."""
    lines.begin_row()
    try:
        return next(csv.reader(lines, strict=True, delimiter=separator), None)
    except csv.Error:
        lines.give_back()
        return "not CSV"
    except _TooLongError:
        lines.give_back()
        return TOO_LONG


class _TooLongError(Exception):
    """A CSV row of more than MAX_LINE_BYTES."""


class _Lines:
    """Lines of text for csv.reader, which takes as many lines as a row has. A bad row's later lines are read again."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._number = self._bytes = 0
        self._row: list[bytes] = []
        self._again: deque[bytes] = deque()
        self.first = 0  # number of the row's first line

    def begin_row(self) -> None:
        self.first, self._bytes = self._number + 1, 0
        self._row.clear()

    def give_back(self) -> None:
        """Let the next row begin with the line after the first line of this row."""
        self._again.extendleft(reversed(self._row[1:]))
        self._number = self.first

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._stream.readline(MAX_LINE_BYTES + 1)
        if not line:
            raise StopIteration
        self._number += 1
        self._bytes += len(line)
        self._row.append(line)
        if self._bytes > MAX_LINE_BYTES:
            if len(line) > MAX_LINE_BYTES:
                self._row[-1] = b"x" * (MAX_LINE_BYTES + 1)  # enough to be too long again
                while line and not line.endswith(b"\n"):
                    line = self._stream.readline(MAX_LINE_BYTES)
            raise _TooLongError
        text = line.decode("utf-8", "surrogateescape")
        return text.removeprefix("\ufeff") if self._number == 1 else text
