"""Reviews into the records of one shard: duplicates out, split, wrapped, encoded, cut and framed.

A review belongs to the shard that a keyed hash of its text names, with case and white space normalised, so
that all copies of a text meet in one place and one stays. A keyed hash of its id names the split, so that
two versions of one review never stand on both sides of it. Neither depends on the order of arrival.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from preprocessing.dataset import records
from preprocessing.dataset.encoder import Encoder
from preprocessing.dataset.vocabulary import CLOSE, OPEN, Ids, Vocabulary

SPLIT_RULE = "blake2b(id, key='split') / 2^64: test below test_fraction, then validation, then train"
CHUNK_RECORDS = 2048  # framed at a time: half a megabyte, which stays in the cache
KEY_BYTES = 16


@dataclass(frozen=True)
class Cut:
    """The settings that say which windows a set of reviews becomes."""

    window_chars: int
    stride_chars: int
    lowercase: bool
    validation_fraction: float
    test_fraction: float


class Place(NamedTuple):
    """Where a line stands: its file's number, its part of the file, its number in the part."""

    source: int
    part: int
    line: int


class Keyed(NamedTuple):
    """A review on its way to its shard; the order of the fields is the order inside the shard."""

    text_key: bytes
    id_key: bytes
    text: bytes  # UTF-8, whose order is that of the characters
    place: Place


def keyed(*, identity: str, text: str, place: Place) -> Keyed:
    """The review with its two hashes."""
    folded = " ".join(text.casefold().split())
    return Keyed(_hash(b"text", folded), _hash(b"split", identity), text.encode(), place)


def _hash(key: bytes, value: str) -> bytes:
    return hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES, key=key).digest()


def shard_of(text_key: bytes, shards: int) -> int:
    """Which of `shards` a text belongs to."""
    return int.from_bytes(text_key[:8], "big") % shards


def split_of(id_key: bytes, cut: Cut) -> str:
    """The split of a review, by SPLIT_RULE."""
    place = int.from_bytes(id_key[:8], "big") / 2**64
    if place < cut.test_fraction:
        return "test"
    return "validation" if place < cut.test_fraction + cut.validation_fraction else "train"


def shard_name(split: str, number: int, shards: int, tag: str) -> str:
    """`train-00003-of-00016-1f3a90c2.tfrecord`: the tag keeps apart two datasets that share a folder for a while."""
    return f"{split}-{number:05}-of-{shards:05}-{tag}.tfrecord"


def without_duplicates(reviews: Iterable[Keyed]) -> Iterator[tuple[Keyed, Keyed | None]]:
    """Each review in the shard's order, with the one that it repeats or None."""
    kept: Keyed | None = None
    for review in sorted(reviews):
        if kept is not None and review.text_key == kept.text_key:
            yield review, kept
        else:
            kept = review
            yield review, None


@dataclass
class Encoded:
    """The ids of some reviews in order, what was left out, and the reviews that nothing is left of."""

    ids: Ids
    dropped: Counter[str]
    empty: list[Keyed]


def encode(reviews: Sequence[Keyed], vocabulary: Vocabulary, *, lowercase: bool) -> Encoded:
    """`{text}{text}...` as ids, [n]; a brace inside a text is left out."""
    encoder = Encoder(vocabulary, lowercase=lowercase)
    start, end = (vocabulary.encode(brace)[0].tobytes() for brace in (OPEN, CLOSE))
    pieces: list[bytes] = []
    empty: list[Keyed] = []
    for review in reviews:
        ids = encoder.encode(review.text)
        if ids:
            pieces += start, ids, end
        else:
            empty.append(review)
    return Encoded(np.frombuffer(b"".join(pieces), vocabulary.dtype), encoder.dropped, empty)


def cut_and_frame(ids: Ids, cut: Cut) -> Iterator[bytes]:
    """The records of a stream of ids, some at a time."""
    rows = records.cut_windows(ids, window_chars=cut.window_chars, stride_chars=cut.stride_chars)
    for start in range(0, len(rows), CHUNK_RECORDS):
        yield records.frame(rows[start : start + CHUNK_RECORDS]).tobytes()


def tail_chars(ids: int, cut: Cut) -> int:
    """How many of the last ids no window predicts."""
    count = max(0, (ids - cut.window_chars - 1) // cut.stride_chars + 1)
    return ids - (cut.window_chars + 1 + (count - 1) * cut.stride_chars if count else 0)
