"""Statistics of shards, counted from their records: each symbol's frequency and the lengths of the reviews.

Windows may overlap, and yet each character counts once. A shard's text is its first window, and the last
stride_chars ids of each window after it. A review is the text between { and }. The last review of a shard may lack
its end, if no window holds it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from preprocessing.dataset import records
from preprocessing.dataset.manifest import Manifest
from preprocessing.dataset.vocabulary import CLOSE, OPEN, Ids
from preprocessing.errors import InputError

Histogram = npt.NDArray[np.int64]

CHUNK_BYTES = 1 << 20  # of records, read at once: 16 MiB do not fit the CPU's caches and take twice as long


@dataclass(frozen=True, eq=False)
class ShardStatistics:
    """Statistics of one shard or, added, of several.

    symbols: [V] int64, the count of each symbol, also of the braces around the reviews.
    lengths: [longest + 1] int64, how many complete reviews have k characters, without their braces.
    cut: the number of reviews without an end, which are not in `lengths`.
    """

    symbols: Histogram
    lengths: Histogram
    cut: int

    def __add__(self, other: "ShardStatistics") -> "ShardStatistics":
        return ShardStatistics(self.symbols + other.symbols, _add(self.lengths, other.lengths), self.cut + other.cut)

    @property
    def complete(self) -> int:
        """The number of reviews in `lengths`."""
        return int(self.lengths.sum())

    def mean(self) -> float:
        """Return the mean length of the complete reviews. Raises ZeroDivisionError if there are none."""
        return int(self.lengths @ np.arange(len(self.lengths))) / self.complete

    def percentile(self, percent: int) -> int:
        """Return the length at a percentile, 0 to 100, of the complete reviews, at least one.

        The nearest rank, so that a review has this length. 0 gives the shortest, 100 the longest.
        """
        rank = max(1, -(-self.complete * percent // 100))
        return int(np.searchsorted(np.cumsum(self.lengths), rank))


def empty_statistics(manifest: Manifest) -> ShardStatistics:
    """Return the statistics of no shard, to which others can be added."""
    return ShardStatistics(np.zeros(len(manifest.vocabulary), np.int64), np.zeros(1, np.int64), 0)


def read_statistics(
    shard: BinaryIO, manifest: Manifest, *, where: str, chunk_bytes: int = CHUNK_BYTES
) -> ShardStatistics:
    """Count the symbols and reviews of an open shard.

    Raises InputError, which names `where`, for an id without a symbol, or for braces that do not alternate.
    """
    vocabulary = manifest.symbols()
    opening, closing = (vocabulary.symbols.index(brace) for brace in (OPEN, CLOSE))
    symbols, lengths = empty_statistics(manifest).symbols, empty_statistics(manifest).lengths
    opened = np.empty(0, np.int64)  # position of the opening brace of a review that has not ended yet
    done = 0
    for ids in read_text_ids(shard, manifest, chunk_bytes=chunk_bytes):
        counts = np.bincount(ids, minlength=len(vocabulary))
        if len(counts) > len(vocabulary):
            raise InputError(f"{where}: symbol {len(counts) - 1}, expected less than {len(vocabulary)}")
        symbols += counts
        braces = np.flatnonzero((ids == opening) | (ids == closing))
        closes = ids[braces] == closing
        wrong = np.flatnonzero(closes != (np.arange(len(braces)) + len(opened)) % 2)
        if len(wrong):
            first = wrong[0]
            raise InputError(
                f"{where}: {CLOSE if closes[first] else OPEN} at character {done + braces[first]}, "
                f"expected {OPEN} and {CLOSE} in turns"
            )
        positions = np.concatenate([opened, done + braces])
        ends = positions[1::2]
        lengths = _add(lengths, np.bincount(ends - positions[0::2][: len(ends)] - 1))
        opened = positions[2 * len(ends) :]
        done += len(ids)
    return ShardStatistics(symbols, lengths, cut=len(opened))


def read_text_ids(shard: BinaryIO, manifest: Manifest, *, chunk_bytes: int) -> Iterator[Ids]:
    """Yield the ids of a shard's text in order, each once, about `chunk_bytes` of records at a time."""
    size, dtype = manifest.record_bytes, manifest.id_dtype()
    head = manifest.window_chars + 1 - manifest.stride_chars
    records_at_once = max(1, chunk_bytes // size)
    while data := shard.read(records_at_once * size):
        rows = np.frombuffer(data, np.uint8).reshape(-1, size)
        if head:
            yield records.payload(rows[:1], dtype, manifest.window_chars + 1)[0, :head]
            head = 0
        yield records.payload(rows, dtype, manifest.stride_chars).ravel()


def read_window(shard: BinaryIO, record: int, manifest: Manifest) -> Ids:
    """Return the ids [L + 1] of a record of an open shard."""
    shard.seek(record * manifest.record_bytes)
    row = np.frombuffer(shard.read(manifest.record_bytes), np.uint8)
    return records.payload(row[None], manifest.id_dtype(), manifest.window_chars + 1).ravel()


def _add(first: Histogram, second: Histogram) -> Histogram:
    """Return the sum of two histograms, of which one may be longer."""
    longer, shorter = (first, second) if len(first) >= len(second) else (second, first)
    total = longer.copy()
    total[: len(shorter)] += shorter
    return total
