"""Reviews with their keys: the hashes that choose shard and split, and find duplicates."""

import hashlib
from typing import NamedTuple

KEY_BYTES = 16


class SourceLine(NamedTuple):
    """A line's position: the number of its file, of its part of the file, and of the line in the part."""

    source: int
    part: int
    number: int


class KeyedReview(NamedTuple):
    """A review on its way to its shard. The order of the fields is the order of reviews in a shard."""

    text_key: bytes
    id_key: bytes
    text: bytes  # UTF-8, whose order is the order of the code points
    source_line: SourceLine


def add_keys(*, review_id: str, text: str, source_line: SourceLine) -> KeyedReview:
    """Return a review with the hashes of its id and of its text, case and white space normalized."""
    normalized = " ".join(text.casefold().split())
    return KeyedReview(_hash(b"text", normalized), _hash(b"split", review_id), text.encode(), source_line)


def choose_shard(text_key: bytes, shard_count: int) -> int:
    """Return the number of a text's shard, 0 to `shard_count` - 1."""
    return int.from_bytes(text_key[:8], "big") % shard_count


def _hash(key: bytes, value: str) -> bytes:
    return hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES, key=key).digest()
