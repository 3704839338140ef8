"""Reviews on their way from the readers to the shards, in files of some megabytes.

A runner's own shuffle would hold every text in memory (FnApiRunner, Prism) and take 30 us for each element.
So readers write the reviews of a partition, which is a set of shards, into block files, and the shuffle
carries only the names of the files. A block's bytes, all whole numbers little-endian:

    count, source, part int64 | line int64 [count] | length of text int64 [count] | keys 32 bytes [count] | texts
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from preprocessing.pipeline.duplicates import KEY_BYTES, KeyedReview, SourceLine
from preprocessing.pipeline.shards import shard_of

BLOCK_BYTES = 32 << 20  # of memory that a reader gathers, for all partitions together, before it writes them
REVIEW_BYTES = 320  # of a review beside its text: two keys, two tuples, a number, and what Python adds to each


class BlockBuffer:
    """The reviews that a reader has found, by partition."""

    def __init__(self, *, shards: int, partitions: int) -> None:
        self._shards, self._partitions = shards, partitions
        self._reviews: defaultdict[int, list[KeyedReview]] = defaultdict(list)
        self.bytes = 0

    def add(self, review: KeyedReview) -> None:
        self._reviews[shard_of(review.text_key, self._shards) % self._partitions].append(review)
        self.bytes += len(review.text) + REVIEW_BYTES

    def taken(self) -> Iterator[tuple[int, list[KeyedReview]]]:
        """Each partition's reviews; then there are none."""
        yield from self._reviews.items()
        self._reviews.clear()
        self.bytes = 0


def pack(reviews: Sequence[KeyedReview]) -> bytes:
    """A block's bytes; the reviews are of one part of one source, and at least one."""
    source, part, _ = reviews[0].source_line
    numbers = [len(reviews), source, part]
    numbers += [review.source_line.number for review in reviews]
    numbers += [len(review.text) for review in reviews]
    keys = [review.text_key + review.id_key for review in reviews]
    return b"".join([np.array(numbers, "<i8").tobytes(), *keys, *(review.text for review in reviews)])


def unpack(block: bytes) -> Iterator[KeyedReview]:
    """The reviews of a block, as they were packed."""
    count, source, part = np.frombuffer(block, "<i8", 3).tolist()
    lines, lengths = np.frombuffer(block, "<i8", 2 * count, 24).reshape(2, count).tolist()
    key = 24 + 16 * count
    text = key + 2 * KEY_BYTES * count
    for line, length in zip(lines, lengths, strict=True):
        middle, end = key + KEY_BYTES, key + 2 * KEY_BYTES
        yield KeyedReview(
            block[key:middle], block[middle:end], block[text : text + length], SourceLine(source, part, line)
        )
        key, text = end, text + length
