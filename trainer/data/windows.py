"""Windows read from mapped shards, as batches for a step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from preprocessing.dataset import records
from preprocessing.dataset.manifest import Manifest, Shard
from trainer.data.hashing import Integers
from trainer.data.order import Order

# (shard, the shards to fetch meanwhile, most urgent first) to the shard's bytes, mapped. See Staging.map_shard.
MapShard = Callable[[Shard, Sequence[Shard]], npt.NDArray[np.uint8]]


@dataclass(frozen=True)
class Batch:
    """ids: [B, L + 1] of the dataset's dtype; weights: [B] float32, 0 for padding rows."""

    ids: npt.NDArray[Any]
    weights: npt.NDArray[np.float32]


class Windows:
    """The windows of some shards, read through the page cache. Nothing is kept in memory."""

    def __init__(self, shards: Sequence[Shard], manifest: Manifest, map_shard: MapShard) -> None:
        self._shards, self._map_shard = tuple(shards), map_shard
        self._ids, self._dtype, self._size = manifest.window_chars + 1, manifest.id_dtype(), manifest.record_bytes
        self.counts = [shard.records for shard in shards]

    def read(self, shards: Integers, rows: Integers, prefetch: Sequence[int] = ()) -> npt.NDArray[Any]:
        """Return the windows [n, L + 1] at record `rows[i]` of shard `shards[i]`, and fetch the shards `prefetch`."""
        windows = np.empty((len(rows), self._ids), self._dtype)
        next_shards = tuple(self._shards[shard] for shard in prefetch)
        for shard in np.unique(shards):
            mask = shards == shard
            windows[mask] = records.payload(self._records(shard, next_shards)[rows[mask]], self._dtype, self._ids)
        return windows

    def _records(self, shard: int, prefetch: Sequence[Shard]) -> npt.NDArray[np.uint8]:
        # One shard at a time, without keeping it: a mapped file occupies the disk even after it is deleted.
        return self._map_shard(self._shards[shard], prefetch).reshape(-1, self._size)

    def strided_rows(self, stride: int) -> tuple[Integers, Integers]:
        """Return the shard and the record of each `stride`-th window of each shard, in order."""
        chosen = [np.arange(0, count, stride, dtype=np.int64) for count in self.counts]
        shards = np.repeat(np.arange(len(chosen), dtype=np.int64), [len(rows) for rows in chosen])
        return shards, np.concatenate(chosen)


def read_batch(windows: Windows, order: Order, epoch: int, step: int) -> Batch:
    """Read the batch of a step. At the end of an epoch, no row may have a window: then all weights are 0."""
    shards, records, present = order.batch(epoch, step)
    ids = windows.read(shards, records, order.prefetch_shards(epoch, step))
    return pad_batch(ids, order.batch_windows, present)


def pad_batch(ids: npt.NDArray[Any], batch_windows: int, present: npt.NDArray[np.bool_] | None = None) -> Batch:
    """Pad a batch to `batch_windows` rows with copies of its first row. Padding rows have weight 0.

    Rows of `ids` that are not `present` have weight 0 as well.
    """
    missing = batch_windows - len(ids)
    weights = np.zeros(batch_windows, np.float32)
    weights[: len(ids)] = 1 if present is None else present
    if missing:
        ids = np.concatenate([ids, np.repeat(ids[:1], missing, axis=0)])
    return Batch(ids, weights)
