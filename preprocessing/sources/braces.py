"""Reviews out of `{review}{review}` text: the seed script's format."""

import codecs
import re
from collections.abc import Iterator
from typing import IO

from preprocessing.errors import InputError
from preprocessing.sources.review import MAX_LINE_BYTES, TOO_LONG, Rejected, Review, review

CHUNK_BYTES = 1 << 16
BETWEEN = re.compile(r"\}\s*\{")


def read(stream: IO[bytes], *, name: str) -> Iterator[Review | Rejected]:
    """The reviews, by number. One ends where a closing brace meets an opening one, so a lone brace stays inside.

    InputError, naming the file, if it is not UTF-8 or does not begin and end with a brace.
    """
    number, pending, too_long = 0, "", False
    begun = False
    for text in _decoded(stream, name):
        pending += text
        if not begun:
            pending = pending.lstrip()
            if not pending:
                continue
            if not pending.startswith("{"):
                raise InputError(f"{name}: expected {{review}}{{review}}, found {pending[0]!r} where it begins")
            begun, pending = True, pending[1:]
        *whole, pending = BETWEEN.split(pending)
        for inside in whole:
            number += 1
            yield _found(number, inside, too_long=too_long)
            too_long = False
        if len(pending) > MAX_LINE_BYTES:
            # Nothing of it is of use but a brace that may end it.
            pending, too_long = "}" if pending.rstrip().endswith("}") else "", True
    if begun:
        pending = pending.rstrip()
        if not pending.endswith("}"):
            raise InputError(f"{name}: expected {{review}}{{review}}, found no }} where it ends")
        yield _found(number + 1, pending[:-1], too_long=too_long)


def _found(number: int, inside: str, *, too_long: bool) -> Review | Rejected:
    if too_long or len(inside.encode()) > MAX_LINE_BYTES:
        return Rejected(number, TOO_LONG)
    return review(number, None, inside)


def _decoded(stream: IO[bytes], name: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    place = 0
    while True:
        data = stream.read(CHUNK_BYTES)
        held = len(decoder.getstate()[0])
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise InputError(f"{name}: not UTF-8 at byte {place - held + error.start}") from None
        if text:
            yield text.removeprefix("\ufeff") if place == 0 else text
        if not data:
            return
        place += len(data)
