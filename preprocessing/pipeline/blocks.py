"""Block files, which carry reviews from the readers to the shards through Beam's shuffle.

A runner's own shuffle would hold every text in memory (FnApiRunner, Prism) and take 30 us for each element.
So a reader writes the reviews of a partition, which is a set of shards, to block files. The shuffle carries only
the names of the files. A block's bytes, all integers little-endian:

    count, source, part int64 | line int64 [count] | length of text int64 [count] | keys 32 bytes [count] | texts
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from preprocessing.pipeline.keys import KEY_BYTES, KeyedReview, SourceLine, choose_shard

BLOCK_BYTES = 32 << 20  # of memory for the reviews that a reader buffers, all partitions together
REVIEW_BYTES = 320  # of memory for a review without its text: two keys, two tuples, a number, and Python's overhead


class BlockBuffer:
    """The reviews that a reader holds until it writes them to blocks, by partition."""

    def __init__(self, *, shard_count: int, partition_count: int) -> None:
        self._shard_count, self._partition_count = shard_count, partition_count
        self._reviews: defaultdict[int, list[KeyedReview]] = defaultdict(list)
        self.bytes = 0

    @property
    def is_full(self) -> bool:
        return self.bytes >= BLOCK_BYTES

    def add(self, review: KeyedReview) -> None:
        shard = choose_shard(review.text_key, self._shard_count)
        self._reviews[shard % self._partition_count].append(review)
        self.bytes += len(review.text) + REVIEW_BYTES

    def drain(self) -> Iterator[tuple[int, list[KeyedReview]]]:
        """Yield each partition with its reviews, then empty the buffer."""
        yield from self._reviews.items()
        self._reviews.clear()
        self.bytes = 0


def pack_block(reviews: Sequence[KeyedReview]) -> bytes:
    """Return a block of reviews, at least one, all of one part of one source."""
    source, part, _ = reviews[0].source_line
    numbers = [len(reviews), source, part]
    numbers += [review.source_line.number for review in reviews]
    numbers += [len(review.text) for review in reviews]
    keys = [review.text_key + review.id_key for review in reviews]
    return b"".join([np.array(numbers, "<i8").tobytes(), *keys, *(review.text for review in reviews)])


def unpack_block(block: bytes) -> Iterator[KeyedReview]:
    """Yield the reviews of a block in order."""
    count, source, part = np.frombuffer(block, "<i8", 3).tolist()
    lines, lengths = np.frombuffer(block, "<i8", 2 * count, 24).reshape(2, count).tolist()
    key = 24 + 16 * count
    text = key + 2 * KEY_BYTES * count
    for line, length in zip(lines, lengths, strict=True):
        middle, end = key + KEY_BYTES, key + 2 * KEY_BYTES
        source_line = SourceLine(source, part, line)
        yield KeyedReview(block[key:middle], block[middle:end], block[text : text + length], source_line)
        key, text = end, text + length
