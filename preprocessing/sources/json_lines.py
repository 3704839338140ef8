"""Reviews in JSON lines. Each part of a file can be read without the parts before it."""

import json
from collections.abc import Iterator
from typing import IO

import orjson

from preprocessing.sources.review import MAX_LINE_BYTES, TOO_LONG, Rejected, Review, make_review


def read_json_lines(stream: IO[bytes], *, limit: int | None = None) -> Iterator[Review | Rejected]:
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
            yield parse_json_line(line, number)


def read_json_lines_between(stream: IO[bytes], start: int, stop: int) -> Iterator[Review | Rejected]:
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
    yield from read_json_lines(stream, limit=stop - position)


def parse_json_line(line: bytes, number: int) -> Review | Rejected:
    """Parse a JSON object with the keys of Yelp's reviews: `text` and, optional, `review_id`."""
    if line.isspace():
        return Rejected(number, "not JSON")  # fast, because a file may have millions of empty lines
    try:
        record = orjson.loads(line)
    except ValueError:
        # orjson is strict. The standard library accepts more, and tells why it refuses the rest.
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
    return make_review(number, record.get("review_id"), record["text"])
