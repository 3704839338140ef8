"""Reviews in text files: the seed's `{review}{review}` text, and a file that is one review."""

import codecs
import io
import re
from collections.abc import Iterator
from typing import IO

from preprocessing.errors import InputError
from preprocessing.sources.review import MAX_LINE_BYTES, TOO_LONG, Rejected, Review, make_review

CHUNK_BYTES = 1 << 16
BETWEEN_REVIEWS = re.compile(r"\}\s*\{")
BYTE_ORDER_MARK = "\ufeff"


def begins_with_brace(stream: IO[bytes]) -> bool:
    """Return whether the first visible character of the file is a brace. Leave the stream at its position."""
    assert isinstance(stream, io.BufferedReader)
    return stream.peek(1).removeprefix(BYTE_ORDER_MARK.encode()).lstrip().startswith(b"{")


def read_plain_text(stream: IO[bytes], *, name: str) -> Iterator[Review | Rejected]:
    """Yield the whole file as one review, without white space around it.

    Raises InputError, with the file's name, if the file is not UTF-8 or has a NUL byte.
    """
    data = stream.read(MAX_LINE_BYTES + 1)
    if b"\0" in data:
        raise InputError(f"{name}: binary, expected text, JSON lines or CSV")
    if len(data) > MAX_LINE_BYTES:
        yield Rejected(1, TOO_LONG)
        return
    try:
        text = data.decode().removeprefix(BYTE_ORDER_MARK)
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: not UTF-8 at byte {error.start}, expected text, JSON lines or CSV") from None
    yield make_review(1, None, text.strip())


def read_braces(stream: IO[bytes], *, name: str) -> Iterator[Review | Rejected]:
    """Yield each review of `{review}{review}` text, numbered from 1.

    A review ends where a closing brace meets an opening brace, so a lone brace stays inside its review.
    Raises InputError, with the file's name, if the file is not UTF-8 or has no brace at its start or end.
    """
    number, pending, too_long = 0, "", False
    begun = False
    for text in _decode(stream, name):
        pending += text
        if not begun:
            pending = pending.lstrip()
            if not pending:
                continue
            if not pending.startswith("{"):
                raise InputError(f"{name}: expected {{review}}{{review}}, found {pending[0]!r} at its start")
            begun, pending = True, pending[1:]
        *complete, pending = BETWEEN_REVIEWS.split(pending)
        for inside in complete:
            number += 1
            yield _check_length(number, inside, too_long=too_long)
            too_long = False
        if len(pending) > MAX_LINE_BYTES:
            # The review is too long already: only a brace that may end it still matters.
            pending, too_long = "}" if pending.rstrip().endswith("}") else "", True
    if begun:
        pending = pending.rstrip()
        if not pending.endswith("}"):
            raise InputError(f"{name}: expected {{review}}{{review}}, found no }} at its end")
        yield _check_length(number + 1, pending[:-1], too_long=too_long)


def _check_length(number: int, inside: str, *, too_long: bool) -> Review | Rejected:
    if too_long or len(inside.encode()) > MAX_LINE_BYTES:
        return Rejected(number, TOO_LONG)
    return make_review(number, None, inside)


def _decode(stream: IO[bytes], name: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    position = 0
    while True:
        data = stream.read(CHUNK_BYTES)
        undecoded = len(decoder.getstate()[0])
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise InputError(f"{name}: not UTF-8 at byte {position - undecoded + error.start}") from None
        if text:
            yield text.removeprefix(BYTE_ORDER_MARK) if position == 0 else text
        if not data:
            return
        position += len(data)
