"""A line of a source: a review, or a rejected line with the reason."""

import hashlib
from typing import Any, NamedTuple

MAX_LINE_BYTES = 1_000_000
TOO_LONG = f"over {MAX_LINE_BYTES} bytes"
LONE_SURROGATE = "text has a lone surrogate"


class Columns(NamedTuple):
    """The columns of a table, or the keys of a JSON object, that hold a review. The id may be missing."""

    text: str = "text"
    id: str = "review_id"


DEFAULT_COLUMNS = Columns()


class Review(NamedTuple):
    """A review. `line` counts from 1 in its part of the file; in {review}{review} text it counts reviews."""

    line: int
    id: str
    text: str


class Rejected(NamedTuple):
    """A line that is no review, and the reason."""

    line: int
    reason: str


def make_review(line: int, review_id: object, text: Any) -> Review | Rejected:
    """Return the review of a line, or reject the line if `text` is no text.

    A review whose `review_id` is no string gets an id derived from its text.
    """
    if not isinstance(text, str):
        return Rejected(line, "text is not a string")
    if not text or text.isspace():
        return Rejected(line, "text is empty")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return Rejected(line, LONE_SURROGATE)
    if isinstance(review_id, str) and review_id:
        return Review(line, review_id, text)
    return Review(line, "text:" + hashlib.blake2b(text.encode(), digest_size=16).hexdigest(), text)
