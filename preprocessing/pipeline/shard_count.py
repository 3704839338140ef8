"""The number of shards and partitions of a dataset, so that neither outgrows a worker's memory."""

import math
from collections.abc import Sequence
from typing import Literal

from preprocessing.sources import archives
from preprocessing.sources.find import Source

SHARD_BYTES = 32 << 20  # of records in a shard, about, if `shards` is auto
PARTITION_BYTES = 32 << 20  # of reviews that a worker holds at once, about, whatever the stride
COMPRESSION = 3  # compressed JSON reviews have about a third of their size


def shard_count(
    setting: int | Literal["auto"], sources: Sequence[Source], record_bytes: int, stride_chars: int
) -> tuple[int, str]:
    """Return the number of training shards, and the rule for it in words.

    `auto` depends on the sizes of the sources alone, so that no source has to be read for it.
    """
    if setting != "auto":
        return setting, "as asked for"
    count = math.ceil(_uncompressed_bytes(sources) * record_bytes / stride_chars / SHARD_BYTES)
    rule = (
        f"source bytes (x {COMPRESSION} if compressed) x record_bytes {record_bytes} / stride_chars {stride_chars} "
        f"/ {SHARD_BYTES}, rounded up"
    )
    return min(99_999, max(1, count)), rule


def partition_count(sources: Sequence[Source], shards: int) -> int:
    """Return the number of partitions, each a set of shards that one worker writes at a time."""
    return min(shards, max(1, math.ceil(_uncompressed_bytes(sources) / PARTITION_BYTES)))


def _uncompressed_bytes(sources: Sequence[Source]) -> int:
    return sum(source.bytes * (1 if archives.is_plain(source.name) else COMPRESSION) for source in sources)
