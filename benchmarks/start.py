"""Seconds and bytes until the first batch, on datasets of 1, 4 and 16 times the size.

    python -m benchmarks.start [--megabytes 64] [--rounds 3]

Shards of 4 MB with random symbols are copied from one folder to another, and checked by SHA-256. The peer copies all
shards before the first batch. Then the benchmark times one epoch on the smallest dataset: milliseconds to read a batch,
and milliseconds spent waiting for shards.
"""

import argparse
import hashlib
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from preprocessing.dataset import records
from preprocessing.dataset.manifest import Manifest, Shard
from preprocessing.dataset.verification import check_file
from preprocessing.storage.bucket import Bucket
from preprocessing.storage.urls import open_bucket
from trainer.data.order import Order
from trainer.data.staging import Staging
from trainer.data.windows import Windows, read_batch

SCALES = (1, 4, 16)
SYMBOLS, WINDOW_CHARS, BATCH_WINDOWS = "{}abcdefgh", 256, 128
BLOCK_SHARDS = 4


def write_dataset(folder: Path, count: int, *, window_chars: int = WINDOW_CHARS) -> tuple[Manifest, tuple[Shard, ...]]:
    """Write `count` shards of 4 MB into a folder. Returns their manifest and entries."""
    folder.mkdir()
    record_bytes = records.record_bytes(window_chars + 1)
    shard_records = 4_000_000 // record_bytes
    shards = []
    for number in range(count):
        ids = np.random.default_rng(number).integers(0, len(SYMBOLS), (shard_records, window_chars + 1), np.uint8)
        data, name = records.frame(ids).tobytes(), f"train-{number:05}"
        (folder / name).write_bytes(data)
        shards.append(Shard(name, "train", shard_records, len(data), hashlib.sha256(data).hexdigest(), crc32c=""))
    manifest = Manifest(
        format=1,
        fingerprint="",
        settings={},
        sources=(),
        shard_rule="",
        vocabulary=SYMBOLS,
        window_chars=window_chars,
        stride_chars=window_chars,
        dtype="uint8",
        record_bytes=record_bytes,
        counts={},
        splits={},
        shards=tuple(shards),
    )
    return manifest, tuple(shards)


class CountingFetcher:
    """Fetches shards from a bucket, and counts their bytes."""

    def __init__(self, bucket: Bucket) -> None:
        self.bytes = 0
        self._bucket, self._lock = bucket, threading.Lock()

    def fetch(self, shard: Shard, folder: Path) -> Path:
        path = folder / shard.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self._bucket.read(shard.name))
        check_file(path, shard, where=str(path))
        with self._lock:
            self.bytes += shard.bytes
        return path


def first_batch(
    source: Path, manifest: Manifest, shards: Sequence[Shard], *, all_first: bool, steps: int = 1
) -> tuple[float, int, float, float]:
    """Measure the first batch, and `steps` batches in all.

    Returns the seconds and bytes until the first batch, and the seconds per step for reading and for waiting.
    `all_first` copies all shards before the first batch.
    """
    fetcher = CountingFetcher(open_bucket(str(source)))
    began = time.perf_counter()
    with (
        tempfile.TemporaryDirectory(prefix="bench-start-") as scratch,
        Staging(fetcher.fetch, Path(scratch), max_bytes=sum(shard.bytes for shard in shards)) as staging,
    ):
        if all_first:
            for shard in shards:
                staging.map_shard(shard, tuple(shards))
        windows = Windows(shards, manifest, staging.map_shard)
        order = Order(
            windows.counts, batch_windows=BATCH_WINDOWS, block_windows=BLOCK_SHARDS * windows.counts[0], seed=1
        )

        def take(step: int) -> None:
            read_batch(windows, order, 0, step)

        take(0)
        seconds, fetched, waited = time.perf_counter() - began, fetcher.bytes, staging.waited_seconds
        began = time.perf_counter()
        for step in range(1, steps):
            take(step)
        reading = time.perf_counter() - began
        waited = staging.waited_seconds - waited
    return seconds, fetched, (reading - waited) / steps, waited / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=64, help="size of the smallest dataset")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    print(f"{'MB':>6}        staged: s  MB fetched      all first: s  MB fetched")
    with tempfile.TemporaryDirectory(prefix="bench-start-") as folder:
        for scale in SCALES:
            source = Path(folder, str(scale))
            count = max(2 * BLOCK_SHARDS, args.megabytes * scale // 4)
            manifest, shards = write_dataset(source, count)
            rounds = {
                all_first: [first_batch(source, manifest, shards, all_first=all_first) for _ in range(args.rounds)]
                for all_first in (False, True)
            }
            figures = [
                statistics.median(run[k] for run in runs) / unit
                for runs in rounds.values()
                for k, unit in ((0, 1), (1, 1e6))
            ]
            print("{:>6.0f}      {:>11.2f} {:>11.0f} {:>17.2f} {:>11.0f}".format(count * 4, *figures), flush=True)
        manifest, shards = write_dataset(Path(folder, "steps"), max(2 * BLOCK_SHARDS, args.megabytes // 4))
        steps = sum(shard.records for shard in shards) // BATCH_WINDOWS
        _, _, read, waited = first_batch(Path(folder, "steps"), manifest, shards, all_first=False, steps=steps)
        print(
            f"a batch of {BATCH_WINDOWS}: {read * 1e3:.2f} ms to read, {waited * 1e3:.2f} ms waited for, {steps} steps"
        )


if __name__ == "__main__":
    main()
