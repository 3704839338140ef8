"""Reviews out of JSON lines, of which each part of a file can be read by itself."""

import json
from collections.abc import Iterator
from typing import IO

import orjson

from preprocessing.sources.review import MAX_LINE_BYTES, TOO_LONG, Rejected, Review, review


def read(stream: IO[bytes], *, limit: int | None = None) -> Iterator[Review | Rejected]:
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


def read_between(stream: IO[bytes], start: int, stop: int) -> Iterator[Review | Rejected]:
    """The lines that begin at bytes `start` to `stop` - 1; one that reaches into them belongs to what is before."""
    place = max(0, start - 1)
    stream.seek(place)
    at_start = start == 0
    while not at_start and place < stop:
        piece = stream.readline(MAX_LINE_BYTES)
        if not piece:
            return
        place += len(piece)
        at_start = piece.endswith(b"\n")
    yield from read(stream, limit=stop - place)


def parse(line: bytes, number: int) -> Review | Rejected:
    """A JSON line with the keys of Yelp's reviews, of which `review_id` and `text` are read."""
    if line.isspace():
        return Rejected(number, "not JSON")  # at once: there may be millions of them
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
    return review(number, record.get("review_id"), record["text"])
