"""Reviews in JSON that does not stand one to a line: an array in one line, or objects of several lines.

A unit of such a file is an object, numbered from 1; brackets and commas between objects are no units. Memory is
bounded: the buffer holds the longest object that is accepted, and one more read.
"""

import codecs
import json
import re
from collections.abc import Iterator
from typing import IO

from preprocessing.sources.json_lines import make_json_review
from preprocessing.sources.review import (
    DEFAULT_COLUMNS,
    LONE_SURROGATE,
    MAX_LINE_BYTES,
    TOO_LONG,
    Columns,
    Rejected,
    Review,
)

CHUNK_BYTES = 4 << 20
BETWEEN_OBJECTS = re.compile(r"[\s,\[\]]*")
NEXT_OBJECT = re.compile(r"\}\s*+(?:,\s*+)?(?=\{)")  # possessive: time is linear in the spaces
LONGEST_GAP = 1000  # characters between two objects, of which reading may go on after a damaged object
DECODER = json.JSONDecoder()


def has_json_values(head: bytes) -> bool:
    """Return whether a file with these first bytes has JSON objects, but not one in each line."""
    text = head.decode("utf-8", "replace").removeprefix("\ufeff").lstrip()
    is_array = text.startswith("[")
    first = text[1:].lstrip() if is_array else text
    if not first.startswith("{"):
        return False
    try:
        _, end = DECODER.raw_decode(first)
    except (ValueError, RecursionError):  # damaged, or longer than `head`
        return is_array or first.partition("\n")[0].strip() == "{"
    after = first[end:].lstrip(" \t\r").removeprefix(",").lstrip(" \t\r")
    alone = is_array and after.startswith("]")  # an array of one object
    return "\n" in first[:end] or after.startswith("{") or alone


def read_json_values(stream: IO[bytes], columns: Columns = DEFAULT_COLUMNS) -> Iterator[Review | Rejected]:
    """Yield the objects of a file. After a damaged object, go on with the next `{` behind a `}`."""
    buffer, number = _Buffer(stream), 0
    while buffer.skip(BETWEEN_OBJECTS):
        number += 1
        try:
            value, end = DECODER.raw_decode(buffer.text, buffer.position)
        except (ValueError, RecursionError):
            yield Rejected(number, "not JSON" if buffer.skip_damage() else TOO_LONG)
            continue
        source = buffer.text[buffer.position : end].encode("utf-8", "surrogateescape")
        buffer.position = end
        yield Rejected(number, TOO_LONG) if len(source) > MAX_LINE_BYTES else _parse(value, source, number, columns)


def _parse(value: object, source: bytes, number: int, columns: Columns) -> Review | Rejected:
    review = make_json_review(value, number, columns)
    if review == (number, LONE_SURROGATE) and not _is_utf8(source):
        return Rejected(number, "not UTF-8")
    return review


def _is_utf8(source: bytes) -> bool:
    try:
        source.decode()
    except UnicodeDecodeError:
        return False
    return True


class _Buffer:
    """The text at a stream's position: over MAX_LINE_BYTES characters, or all to the stream's end.

    A byte that is not UTF-8 is a lone surrogate in it.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
        self._at_end = False
        self.text, self.position = "", 0

    def skip(self, pattern: re.Pattern[str]) -> bool:
        """Skip what the pattern matches, and fill the buffer. Return whether any text is left."""
        while True:
            match = pattern.match(self.text, self.position)
            assert match
            self.position = match.end()
            if self.position < len(self.text) or self._at_end:
                self._fill()
                return self.position < len(self.text)
            self._fill()

    def skip_damage(self) -> bool:
        """Skip to the next object, or to the end. Return whether the next object begins within MAX_LINE_BYTES."""
        skipped = 0
        while not (match := NEXT_OBJECT.search(self.text, self.position + 1)):
            last = max(self.position + 1, len(self.text) - LONGEST_GAP)
            if self._at_end:
                last = len(self.text)
            skipped += last - self.position
            self.position = last
            if self._at_end:
                return skipped <= MAX_LINE_BYTES
            self._fill()
        skipped += match.end() - self.position
        self.position = match.end()
        return skipped <= MAX_LINE_BYTES

    def _fill(self) -> None:
        while not self._at_end and len(self.text) - self.position <= MAX_LINE_BYTES:
            data = self._stream.read(CHUNK_BYTES)
            self._at_end = not data
            self.text = self.text[self.position :] + self._decoder.decode(data, final=not data)
            self.position = 0
