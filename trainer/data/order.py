"""The order of windows, a pure function of (seed, epoch, step); the number of steps of a run.

Shards are shuffled and grouped into blocks; the windows of a block are shuffled among themselves. So a step needs
the shards of one block, at most of two, and a resumed run needs only its step number. All shuffles sort by an
explicit integer hash, because the shuffle of a library may change with its version. The order does not depend on the
number of replicas and workers: they share a batch, they do not choose its windows.
"""

import functools
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

# splitmix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
GAMMA, MIX_1, MIX_2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def hash_key(key: Sequence[int], count: int) -> npt.NDArray[np.uint64]:
    """Return the hashes [count] uint64 of (key, 0), (key, 1), ... The numbers of the key are not negative."""
    state = np.zeros(1, np.uint64)
    for number in key:
        state = _mix(state + np.uint64(number))
    return _mix(state + np.arange(count, dtype=np.uint64))


def uniform(key: Sequence[int], count: int) -> npt.NDArray[np.float64]:
    """Return numbers [count] float64 in [0, 1), from the upper 53 bits of the hashes."""
    return (hash_key(key, count) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def permutation(key: Sequence[int], count: int) -> Integers:
    """Return a shuffle [count] of 0 .. count - 1."""
    return np.argsort(hash_key(key, count), kind="stable").astype(np.int64)


def _mix(state: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    state = state + GAMMA
    state = (state ^ (state >> np.uint64(30))) * MIX_1
    state = (state ^ (state >> np.uint64(27))) * MIX_2
    return state ^ (state >> np.uint64(31))


@dataclass(frozen=True)
class Block:
    """Shards whose windows are shuffled together. `start` is the position of the first window in the epoch."""

    number: int
    start: int
    shards: tuple[int, ...]


class Order:
    """The order of all windows, in global batches of B. `shard_windows` has the number of windows of each shard.

    Each epoch holds each window once. The last batch of an epoch may be short.
    """

    def __init__(self, shard_windows: Sequence[int], *, batch_windows: int, block_windows: int, seed: int) -> None:
        self._shard_windows = tuple(shard_windows)
        self._batch_windows = batch_windows
        self._block_windows = block_windows
        self._seed = seed
        self.windows = sum(shard_windows)
        self.steps_per_epoch = count_steps(self.windows, batch_windows)
        self._shuffled = functools.lru_cache(maxsize=2)(self._shuffle)
        self._grouped = functools.lru_cache(maxsize=2)(self._group)

    def blocks(self, epoch: int) -> tuple[Block, ...]:
        """Return the epoch's blocks in order. A block of several shards has at most `block_windows` windows."""
        return self._grouped(epoch)

    def batch(self, epoch: int, step: int) -> tuple[Integers, Integers]:
        """Return the shard and the record of each window, both [B] int64, or shorter at the end of the epoch."""
        first = step * self._batch_windows
        last = min(first + self._batch_windows, self.windows)
        if not 0 <= first < last:
            raise ValueError(f"step={step}: expected 0 to {self.steps_per_epoch - 1}")
        parts = []
        for block in self._spanned(epoch, first, last):
            shards, records = self._shuffled(epoch, block)
            within = slice(max(first - block.start, 0), last - block.start)
            parts.append((shards[within], records[within]))
        return np.concatenate([shards for shards, _ in parts]), np.concatenate([records for _, records in parts])

    def prefetch_shards(self, epoch: int, step: int) -> tuple[int, ...]:
        """Return the shards of the step's blocks, then of the next block, which may be the first of the next epoch."""
        first = step * self._batch_windows
        spanned = self._spanned(epoch, first, min(first + self._batch_windows, self.windows))
        after = self.blocks(epoch)[spanned[-1].number + 1 :][:1] or self.blocks(epoch + 1)[:1]
        return tuple(shard for block in (*spanned, *after) for shard in block.shards)

    @property
    def windows_at_once(self) -> int:
        """The most windows in the blocks of one step: two blocks, and the small blocks between them in its batch."""
        largest = max(self._block_windows, *self._shard_windows)
        return min(2 * largest + self._batch_windows, self.windows)

    def _spanned(self, epoch: int, first: int, last: int) -> tuple[Block, ...]:
        """Return the blocks of the epoch's windows first .. last - 1."""
        blocks = self.blocks(epoch)
        begin = bisect_right(blocks, first, key=lambda block: block.start) - 1
        return blocks[begin : bisect_left(blocks, last, key=lambda block: block.start)]

    def _group(self, epoch: int) -> tuple[Block, ...]:
        groups: list[list[int]] = []
        windows = self._block_windows + 1  # so that the first shard begins a group
        for shard in permutation((self._seed, epoch), len(self._shard_windows)).tolist():
            windows += self._shard_windows[shard]
            if windows > self._block_windows:
                groups.append([])
                windows = self._shard_windows[shard]
            groups[-1].append(shard)
        sizes = [sum(self._shard_windows[shard] for shard in group) for group in groups]
        starts = np.cumsum([0, *sizes]).tolist()
        return tuple(Block(k, starts[k], tuple(group)) for k, group in enumerate(groups))

    def _shuffle(self, epoch: int, block: Block) -> tuple[Integers, Integers]:
        counts = [self._shard_windows[shard] for shard in block.shards]
        shards = np.repeat(np.array(block.shards, np.int64), counts)
        records = np.concatenate([np.arange(count, dtype=np.int64) for count in counts])
        shuffle = permutation((self._seed, epoch, block.number), len(shards))
        return shards[shuffle], records[shuffle]


def count_steps(windows: int, batch_windows: int) -> int:
    """Return the number of steps for one pass over the windows; the last batch may be short."""
    return -(-windows // batch_windows)


@dataclass(frozen=True)
class TrainingPlan:
    """The length of a run: `steps` in all. The last epoch may be cut short. Characters are predicted characters."""

    steps: int
    steps_per_epoch: int
    chars_per_step: int

    def epochs_done(self, step: int) -> int | None:
        """Return how many epochs end at this step, a last one that is cut short included; None within an epoch."""
        if step and (step == self.steps or step % self.steps_per_epoch == 0):
            return -(-step // self.steps_per_epoch)
        return None


def plan_training(
    windows: int, *, batch_windows: int, epochs: int, max_chars: int, chars_per_step: int
) -> TrainingPlan:
    """Plan `epochs` passes over the windows, or fewer steps if `max_chars` is reached sooner.

    `max_chars` counts predicted characters; 0 is no limit.
    """
    steps_per_epoch = count_steps(windows, batch_windows)
    steps = epochs * steps_per_epoch
    if max_chars:
        steps = min(steps, max(1, max_chars // chars_per_step))
    return TrainingPlan(steps, steps_per_epoch, chars_per_step)
