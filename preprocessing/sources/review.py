"""What a line of a source becomes: a review, or a rejected line."""

import hashlib
from typing import Any, NamedTuple

MAX_LINE_BYTES = 1_000_000
TOO_LONG = f"over {MAX_LINE_BYTES} bytes"
LONE_SURROGATE = "text has a lone surrogate"


class Review(NamedTuple):
    """One review; `line` counts from 1 in its part of the file (for {review}{review} text it counts reviews)."""

    line: int
    id: str
    text: str


class Rejected(NamedTuple):
    """A line that is no review, and why."""

    line: int
    reason: str


def review(number: int, identity: object, text: Any) -> Review | Rejected:
    """The review of a line with this id, or one derived from its text; rejected if the text is none."""
    if not isinstance(text, str):
        return Rejected(number, "text is not a string")
    if not text or text.isspace():
        return Rejected(number, "text is empty")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return Rejected(number, LONE_SURROGATE)
    if isinstance(identity, str) and identity:
        return Review(number, identity, text)
    return Review(number, "text:" + hashlib.blake2b(text.encode(), digest_size=16).hexdigest(), text)
