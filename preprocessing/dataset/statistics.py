"""What shards hold, counted from their records: how often each symbol occurs, how long the reviews are.

Windows may overlap, and yet each character counts once: a shard's text is put together again from its first
window, whole, and of each window after it the last stride_chars ids, which are new. A review is what stands
between { and }. The last one of a shard may lack its end, which no window holds.
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

Counts = npt.NDArray[np.int64]

CHUNK_BYTES = 1 << 20  # of records, read at a time: counting 16 MiB at once, past the caches, takes twice as long


@dataclass(frozen=True, eq=False)
class Contents:
    """Of one shard or, added up, of several.

    symbols: [V] int64, how often each occurs; the braces around the reviews are among them.
    lengths: [longest + 1] int64, how many whole reviews have k characters; the braces do not count.
    cut: reviews without an end, which are not in `lengths`.
    """

    symbols: Counts
    lengths: Counts
    cut: int

    def __add__(self, other: "Contents") -> "Contents":
        return Contents(self.symbols + other.symbols, _sum(self.lengths, other.lengths), self.cut + other.cut)

    @property
    def whole(self) -> int:
        """How many reviews `lengths` counts."""
        return int(self.lengths.sum())

    def mean(self) -> float:
        """The mean length of the whole reviews; ZeroDivisionError if there is none."""
        return int(self.lengths @ np.arange(len(self.lengths))) / self.whole

    def percentile(self, percent: int) -> int:
        """The least length that `percent` of 100 whole reviews do not exceed; 0 and 100 are the least and greatest.

        The nearest rank, so that it is the length of one of them. There must be one.
        """
        rank = max(1, -(-self.whole * percent // 100))
        return int(np.searchsorted(np.cumsum(self.lengths), rank))


def nothing(manifest: Manifest) -> Contents:
    """What no shard holds, to add others to."""
    return Contents(np.zeros(len(manifest.vocabulary), np.int64), np.zeros(1, np.int64), 0)


def read(shard: BinaryIO, manifest: Manifest, *, place: str, chunk_bytes: int = CHUNK_BYTES) -> Contents:
    """What the shard in an open file holds. InputError, naming `place`, for ids that are no text of reviews."""
    vocabulary = manifest.symbols()
    opening, closing = (vocabulary.symbols.index(brace) for brace in (OPEN, CLOSE))
    symbols, lengths = nothing(manifest).symbols, nothing(manifest).lengths
    opened = np.empty(0, np.int64)  # where the review starts that has not ended yet, if there is one
    done = 0
    for ids in text(shard, manifest, chunk_bytes=chunk_bytes):
        found = np.bincount(ids, minlength=len(vocabulary))
        if len(found) > len(vocabulary):
            raise InputError(f"{place}: symbol {len(found) - 1}, expected less than {len(vocabulary)}")
        symbols += found
        braces = np.flatnonzero((ids == opening) | (ids == closing))
        closes = ids[braces] == closing
        wrong = np.flatnonzero(closes != (np.arange(len(braces)) + len(opened)) % 2)
        if len(wrong):
            first = wrong[0]
            raise InputError(
                f"{place}: {CLOSE if closes[first] else OPEN} at character {done + braces[first]}, "
                f"expected {OPEN} and {CLOSE} in turns"
            )
        places = np.concatenate([opened, done + braces])
        ends = places[1::2]
        lengths = _sum(lengths, np.bincount(ends - places[0::2][: len(ends)] - 1))
        opened = places[2 * len(ends) :]
        done += len(ids)
    return Contents(symbols, lengths, cut=len(opened))


def text(shard: BinaryIO, manifest: Manifest, *, chunk_bytes: int) -> Iterator[Ids]:
    """The ids of a shard's text in order, some at a time, each once."""
    size, dtype = manifest.record_bytes, manifest.id_dtype()
    head = manifest.window_chars + 1 - manifest.stride_chars
    records_at_once = max(1, chunk_bytes // size)
    while data := shard.read(records_at_once * size):
        rows = np.frombuffer(data, np.uint8).reshape(-1, size)
        if head:
            yield records.payload(rows[:1], dtype, manifest.window_chars + 1)[0, :head]
            head = 0
        yield records.payload(rows, dtype, manifest.stride_chars).ravel()


def window(shard: BinaryIO, record: int, manifest: Manifest) -> Ids:
    """The ids [L + 1] of a record of the shard in an open file."""
    shard.seek(record * manifest.record_bytes)
    row = np.frombuffer(shard.read(manifest.record_bytes), np.uint8)
    return records.payload(row[None], manifest.id_dtype(), manifest.window_chars + 1).ravel()


def _sum(one: Counts, other: Counts) -> Counts:
    """Of counts by place, of which one may reach further."""
    longer, shorter = (one, other) if len(one) >= len(other) else (other, one)
    total = longer.copy()
    total[: len(shorter)] += shorter
    return total
