"""Reviews in JSON lines, or in a JSON array of one review a line. Each part can be read without the parts before."""

import codecs
import json
from collections.abc import Iterator
from typing import IO

import orjson

from preprocessing.sources.review import (
    DEFAULT_COLUMNS,
    MAX_LINE_BYTES,
    TOO_LONG,
    Columns,
    Rejected,
    Review,
    make_review,
)

BRACKETS = (b"[", b"]", b"],", b",", codecs.BOM_UTF8 + b"[")  # lines of an array that hold no review


def read_json_lines(
    stream: IO[bytes], *, limit: int | None = None, columns: Columns = DEFAULT_COLUMNS
) -> Iterator[Review | Rejected]:
    """Yield the lines that begin less than `limit` bytes after the stream's position."""
    number, offset = 0, 0
    while (limit is None or offset < limit) and (line := stream.readline(MAX_LINE_BYTES + 1)):
        number += 1
        offset += len(line)
        if len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = stream.readline(MAX_LINE_BYTES)
                offset += len(line)
            yield Rejected(number, TOO_LONG)
        else:
            yield parse_json_line(line, number, columns)


def read_json_lines_between(
    stream: IO[bytes], start: int, stop: int, columns: Columns = DEFAULT_COLUMNS
) -> Iterator[Review | Rejected]:
    """Yield the lines that begin at bytes `start` to `stop` - 1 of a file."""
    position = max(0, start - 1)
    stream.seek(position)
    at_line_start = start == 0
    while not at_line_start and position < stop:
        piece = stream.readline(MAX_LINE_BYTES)
        if not piece:
            return
        position += len(piece)
        at_line_start = piece.endswith(b"\n")
    yield from read_json_lines(stream, limit=stop - position, columns=columns)


def parse_json_line(line: bytes, number: int, columns: Columns = DEFAULT_COLUMNS) -> Review | Rejected:
    """Parse a JSON object, by default with the keys of Yelp's reviews: `text` and, optional, `review_id`."""
    if line.isspace():
        return Rejected(number, "not JSON")  # fast, because a file may have millions of empty lines
    try:
        record = orjson.loads(line)
    except ValueError:
        # orjson is strict. The standard library accepts more, and tells why it refuses the rest.
        try:
            record = _loads(line.decode("utf-8-sig"))
        except UnicodeDecodeError:
            return Rejected(number, "not UTF-8")
        except (ValueError, RecursionError):
            return Rejected(number, "a bracket of an array" if line.strip() in BRACKETS else "not JSON")
    if isinstance(record, list) and record and isinstance(record[0], dict):
        return Rejected(number, "a JSON array in one line, expected one review a line")
    return make_json_review(record, number, columns)


def make_json_review(record: object, number: int, columns: Columns) -> Review | Rejected:
    """Return the review of a JSON object, or reject what is none."""
    if not isinstance(record, dict):
        return Rejected(number, "not a JSON object")
    if columns.text not in record:
        return Rejected(number, f"no {columns.text}")
    return make_review(number, record.get(columns.id), record[columns.text])


def _loads(line: str) -> object:
    """Parse a line of JSON. A line of an array may begin with its bracket, and end with a comma or the bracket."""
    try:
        return json.loads(line)
    except ValueError:
        element = line.strip().removeprefix("[").removesuffix(",")
        return json.loads(element.removesuffix("]") if element.endswith("}]") else element)
