"""Into how many shards and partitions a dataset is divided, so that neither outgrows a worker."""

import math
from collections.abc import Sequence
from typing import Literal

from preprocessing.sources import archives
from preprocessing.sources.find import Source

SHARD_BYTES = 32 << 20  # of records, about, if `shards` is auto
PARTITION_BYTES = 32 << 20  # of reviews, about, that a worker holds at a time, whatever the stride
COMPRESSION = 3  # JSON reviews shrink to about a third


def shard_count(
    asked: int | Literal["auto"], sources: Sequence[Source], record_bytes: int, stride_chars: int
) -> tuple[int, str]:
    """How many shards, and the rule in words; `auto` goes by the sources' sizes alone, so nothing is read for it."""
    if asked != "auto":
        return asked, "as asked for"
    count = math.ceil(_plain_bytes(sources) * record_bytes / stride_chars / SHARD_BYTES)
    rule = (
        f"source bytes (x {COMPRESSION} if compressed) x record_bytes {record_bytes} / stride_chars {stride_chars} "
        f"/ {SHARD_BYTES}, rounded up"
    )
    return min(99_999, max(1, count)), rule


def partition_count(sources: Sequence[Source], shards: int) -> int:
    """How many sets of shards are made, one at a time by a worker: as many as keep its memory flat."""
    return min(shards, max(1, math.ceil(_plain_bytes(sources) / PARTITION_BYTES)))


def _plain_bytes(sources: Sequence[Source]) -> int:
    return sum(source.bytes * (1 if archives.is_plain(source.name) else COMPRESSION) for source in sources)
