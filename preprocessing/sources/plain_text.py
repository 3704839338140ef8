"""A file that is one review, with nothing around it."""

import io
from collections.abc import Iterator
from typing import IO

from preprocessing.errors import InputError
from preprocessing.sources.review import MAX_LINE_BYTES, TOO_LONG, Rejected, Review, review

MARK = "\ufeff".encode()


def begins_with_brace(stream: IO[bytes]) -> bool:
    """Whether the first that can be seen of the file is a brace; nothing of it is taken."""
    assert isinstance(stream, io.BufferedReader)
    return stream.peek(1).removeprefix(MARK).lstrip().startswith(b"{")


def read(stream: IO[bytes], *, name: str) -> Iterator[Review | Rejected]:
    """The text without white space around it. InputError, naming the file, if it is not UTF-8 or has a NUL in it."""
    data = stream.read(MAX_LINE_BYTES + 1)
    if b"\0" in data:
        raise InputError(f"{name}: binary, expected text, JSON lines or CSV")
    if len(data) > MAX_LINE_BYTES:
        yield Rejected(1, TOO_LONG)
        return
    try:
        text = data.removeprefix(MARK).decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: not UTF-8 at byte {error.start}, expected text, JSON lines or CSV") from None
    yield review(1, None, text.strip())
