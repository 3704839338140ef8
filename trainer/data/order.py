"""The order of windows, a pure function of (seed, epoch, step).

Windows are taken in segments: K = `carry_windows` neighbouring windows of one shard, through which a row of the batch
carries the LSTM's state. Shards are shuffled and grouped into blocks; the segments of a block are shuffled among
themselves. So a step needs the shards of one block, at most of two, and a resumed run needs only its step number.

The order does not depend on the number of replicas and workers: they share a batch, they do not choose its windows.
"""

import functools
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainer.data.hashing import Integers, permutation
from trainer.data.plan import count_segments, count_steps


@dataclass(frozen=True)
class Block:
    """Shards whose segments are shuffled together. `start` is the position of the first segment in the epoch."""

    number: int
    start: int
    shards: tuple[int, ...]


class Order:
    """The order of all windows, in global batches of B. `shard_windows` has the number of windows of each shard.

    Each epoch holds each window once. B segments share K steps: step k of them takes window k of each segment. The last
    segments of an epoch may be fewer than B, and the last segment of a shard may have fewer than K windows.
    """

    def __init__(
        self,
        shard_windows: Sequence[int],
        *,
        batch_windows: int,
        block_windows: int,
        seed: int,
        carry_windows: int = 1,
    ) -> None:
        self._shard_windows = np.array(shard_windows, np.int64)
        self._shard_segments = [count_segments(windows, carry_windows) for windows in shard_windows]
        self.batch_windows = batch_windows
        self._block_windows = block_windows
        self._seed = seed
        self.carry_windows = carry_windows
        self.windows, self.segments = sum(shard_windows), sum(self._shard_segments)
        self.steps_per_epoch = count_steps(shard_windows, batch_windows, carry_windows)
        self._shuffled = functools.lru_cache(maxsize=2)(self._shuffle)
        self._grouped = functools.lru_cache(maxsize=2)(self._group)

    def blocks(self, epoch: int) -> tuple[Block, ...]:
        """Return the epoch's blocks in order. A block of several shards has at most `block_windows` windows."""
        return self._grouped(epoch)

    def starts_segments(self, step: int) -> bool:
        """Return whether all rows of the step start a segment: their state before the step is zero."""
        return step % self.carry_windows == 0

    def batch(self, epoch: int, step: int) -> tuple[Integers, Integers, npt.NDArray[np.bool_]]:
        """Return the shard and the record of each row's window, both [B] int64, and which rows have a window [B] bool.

        The arrays are shorter at the end of the epoch. A row whose segment has ended repeats the segment's last window.
        """
        first, last = self._segments_of(step)
        parts = []
        for block in self._spanned(epoch, first, last):
            shards, segments = self._shuffled(epoch, block)
            within = slice(max(first - block.start, 0), last - block.start)
            parts.append((shards[within], segments[within]))
        shards = np.concatenate([shards for shards, _ in parts])
        segments = np.concatenate([segments for _, segments in parts])
        records = segments * self.carry_windows + step % self.carry_windows
        last_records = self._shard_windows[shards] - 1
        return shards, np.minimum(records, last_records), records <= last_records

    def prefetch_shards(self, epoch: int, step: int) -> tuple[int, ...]:
        """Return the shards of the step's blocks, then of the next block, which may be the first of the next epoch."""
        spanned = self._spanned(epoch, *self._segments_of(step))
        after = self.blocks(epoch)[spanned[-1].number + 1 :][:1] or self.blocks(epoch + 1)[:1]
        return tuple(shard for block in (*spanned, *after) for shard in block.shards)

    @property
    def windows_at_once(self) -> int:
        """The most windows in the blocks of one step: two blocks, and the small blocks between them in its batch."""
        largest = max(self._block_windows, int(self._shard_windows.max()))
        return min(2 * largest + self.batch_windows * self.carry_windows, self.windows)

    def _segments_of(self, step: int) -> tuple[int, int]:
        """Return the positions in the epoch of the step's first segment, and after its last one."""
        first = step // self.carry_windows * self.batch_windows
        last = min(first + self.batch_windows, self.segments)
        if not 0 <= first < last:
            raise ValueError(f"step={step}: expected 0 to {self.steps_per_epoch - 1}")
        return first, last

    def _spanned(self, epoch: int, first: int, last: int) -> tuple[Block, ...]:
        """Return the blocks of the epoch's segments first .. last - 1."""
        blocks = self.blocks(epoch)
        begin = bisect_right(blocks, first, key=lambda block: block.start) - 1
        return blocks[begin : bisect_left(blocks, last, key=lambda block: block.start)]

    def _group(self, epoch: int) -> tuple[Block, ...]:
        groups: list[list[int]] = []
        windows = self._block_windows + 1  # so that the first shard begins a group
        for shard in permutation((self._seed, epoch), len(self._shard_windows)).tolist():
            windows += int(self._shard_windows[shard])
            if windows > self._block_windows:
                groups.append([])
                windows = int(self._shard_windows[shard])
            groups[-1].append(shard)
        sizes = [sum(self._shard_segments[shard] for shard in group) for group in groups]
        starts = np.cumsum([0, *sizes]).tolist()
        return tuple(Block(k, starts[k], tuple(group)) for k, group in enumerate(groups))

    def _shuffle(self, epoch: int, block: Block) -> tuple[Integers, Integers]:
        """Return the shard of each segment of the block, and its number in the shard, in the epoch's order."""
        counts = [self._shard_segments[shard] for shard in block.shards]
        shards = np.repeat(np.array(block.shards, np.int64), counts)
        segments = np.concatenate([np.arange(count, dtype=np.int64) for count in counts])
        shuffle = permutation((self._seed, epoch, block.number), len(shards))
        return shards[shuffle], segments[shuffle]
