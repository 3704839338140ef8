"""Reviews to the records of one shard: choose the split, encode, cut into windows, frame.

A keyed hash of a review's normalized text names its shard, so that all copies of a text meet in one shard and one
copy stays. A keyed hash of a review's id names its split, so that two versions of a review are in the same split.
Neither hash depends on the order of arrival.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from preprocessing.dataset import records
from preprocessing.dataset.encoder import Encoder
from preprocessing.dataset.vocabulary import CLOSE, OPEN, Ids, Vocabulary
from preprocessing.pipeline.keys import KeyedReview

SPLIT_RULE = "blake2b(id, key='split') / 2^64: test below test_fraction, then validation, then train"
CHUNK_RECORDS = 2048  # framed at once: half a megabyte, which fits the CPU's cache


@dataclass(frozen=True)
class WindowSettings:
    """The settings that decide which windows a set of reviews becomes."""

    window_chars: int
    stride_chars: int
    lowercase: bool
    validation_fraction: float
    test_fraction: float


def choose_split(id_key: bytes, settings: WindowSettings) -> str:
    """Return the split of a review by SPLIT_RULE."""
    fraction = int.from_bytes(id_key[:8], "big") / 2**64
    if fraction < settings.test_fraction:
        return "test"
    return "validation" if fraction < settings.test_fraction + settings.validation_fraction else "train"


def shard_name(split: str, number: int, shard_count: int, tag: str) -> str:
    """Return a shard's file name, as `train-00003-of-00016-1f3a90c2.tfrecord`.

    The tag, from the fingerprint, keeps the shards of two datasets apart while one replaces the other.
    """
    return f"{split}-{number:05}-of-{shard_count:05}-{tag}.tfrecord"


@dataclass
class EncodedReviews:
    """The ids [n] of some reviews in order, the count of each dropped symbol, and the reviews without any id."""

    ids: Ids
    dropped: Counter[str]
    empty: list[KeyedReview]


def encode_reviews(reviews: Sequence[KeyedReview], vocabulary: Vocabulary, *, lowercase: bool) -> EncodedReviews:
    """Encode reviews as `{text}{text}...`. Drop braces inside a text and symbols outside the vocabulary."""
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
    return EncodedReviews(np.frombuffer(b"".join(pieces), vocabulary.dtype), encoder.dropped, empty)


def cut_and_frame(ids: Ids, settings: WindowSettings) -> Iterator[bytes]:
    """Yield the records of ids [n], up to CHUNK_RECORDS at a time."""
    windows = records.cut_windows(ids, window_chars=settings.window_chars, stride_chars=settings.stride_chars)
    for start in range(0, len(windows), CHUNK_RECORDS):
        yield records.frame(windows[start : start + CHUNK_RECORDS]).tobytes()


def count_tail_chars(id_count: int, settings: WindowSettings) -> int:
    """Return how many of the last ids are in no window."""
    windows = max(0, (id_count - settings.window_chars - 1) // settings.stride_chars + 1)
    return id_count - (settings.window_chars + 1 + (windows - 1) * settings.stride_chars if windows else 0)
