"""Reviews into the records of one shard: duplicates out, split, wrapped, encoded, cut and framed.

A review belongs to the shard that a keyed hash of its text names, with case and white space normalised, so
that all copies of a text meet in one place and one stays. A keyed hash of its id names the split, so that
two versions of one review never stand on both sides of it. Neither depends on the order of arrival.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from preprocessing.dataset import records
from preprocessing.dataset.encoder import Encoder
from preprocessing.dataset.vocabulary import CLOSE, OPEN, Ids, Vocabulary
from preprocessing.pipeline.duplicates import KeyedReview

SPLIT_RULE = "blake2b(id, key='split') / 2^64: test below test_fraction, then validation, then train"
CHUNK_RECORDS = 2048  # framed at a time: half a megabyte, which stays in the cache


@dataclass(frozen=True)
class WindowSettings:
    """The settings that say which windows a set of reviews becomes."""

    window_chars: int
    stride_chars: int
    lowercase: bool
    validation_fraction: float
    test_fraction: float


def shard_of(text_key: bytes, shards: int) -> int:
    """Which of `shards` a text belongs to."""
    return int.from_bytes(text_key[:8], "big") % shards


def split_of(id_key: bytes, cut: WindowSettings) -> str:
    """The split of a review, by SPLIT_RULE."""
    place = int.from_bytes(id_key[:8], "big") / 2**64
    if place < cut.test_fraction:
        return "test"
    return "validation" if place < cut.test_fraction + cut.validation_fraction else "train"


def shard_name(split: str, number: int, shards: int, tag: str) -> str:
    """`train-00003-of-00016-1f3a90c2.tfrecord`: the tag keeps apart two datasets that share a folder for a while."""
    return f"{split}-{number:05}-of-{shards:05}-{tag}.tfrecord"


@dataclass
class Encoded:
    """The ids of some reviews in order, what was left out, and the reviews that nothing is left of."""

    ids: Ids
    dropped: Counter[str]
    empty: list[KeyedReview]


def encode(reviews: Sequence[KeyedReview], vocabulary: Vocabulary, *, lowercase: bool) -> Encoded:
    """`{text}{text}...` as ids, [n]; a brace inside a text is left out."""
    encoder = Encoder(vocabulary, lowercase=lowercase)
    start, end = (vocabulary.encode(brace)[0].tobytes() for brace in (OPEN, CLOSE))
    pieces: list[bytes] = []
    empty: list[KeyedReview] = []
    for review in reviews:
        ids = encoder.encode(review.text)
        if ids:
            pieces += start, ids, end
        else:
            empty.append(review)
    return Encoded(np.frombuffer(b"".join(pieces), vocabulary.dtype), encoder.dropped, empty)


def cut_and_frame(ids: Ids, cut: WindowSettings) -> Iterator[bytes]:
    """The records of a stream of ids, some at a time."""
    rows = records.cut_windows(ids, window_chars=cut.window_chars, stride_chars=cut.stride_chars)
    for start in range(0, len(rows), CHUNK_RECORDS):
        yield records.frame(rows[start : start + CHUNK_RECORDS]).tobytes()


def tail_chars(ids: int, cut: WindowSettings) -> int:
    """How many of the last ids no window predicts."""
    count = max(0, (ids - cut.window_chars - 1) // cut.stride_chars + 1)
    return ids - (cut.window_chars + 1 + (count - 1) * cut.stride_chars if count else 0)
