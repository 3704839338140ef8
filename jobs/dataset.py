"""A dataset as a trainer needs it: its manifest, and its shards on the local disk, whole."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jobs.storage import Bucket, open_bucket
from preprocessing import manifest
from preprocessing.errors import InputError
from preprocessing.manifest import Manifest, Shard
from preprocessing.verification import check_file

DOWNLOAD_THREADS = 8


@dataclass(frozen=True)
class Dataset:
    """A folder with a manifest."""

    bucket: Bucket
    manifest: Manifest

    def stage(self, split: str, scratch: Path, *, alive: Callable[[], None] = lambda: None) -> list[Path]:
        """The split's shards as local files, each checked as soon as it is there; InputError names one not whole.

        `alive` is called after each.
        """
        shards = self.manifest.of(split)
        if not shards:
            raise InputError(f"dataset={self.bucket.url}: no {split} split")
        with ThreadPoolExecutor(DOWNLOAD_THREADS) as threads:
            return list(threads.map(lambda shard: self._staged(shard, scratch, alive), shards))

    def _staged(self, shard: Shard, scratch: Path, alive: Callable[[], None]) -> Path:
        path = self._local(shard, scratch)
        check_file(path, shard, place=self.place(shard))
        alive()
        return path

    @contextmanager
    def local(self, shard: Shard, scratch: Path) -> Iterator[Path]:
        """A shard as a local file; if it is a copy, in `scratch`, for the block only."""
        path = self._local(shard, scratch)
        try:
            yield path
        finally:
            if path.parent == scratch:
                path.unlink()

    def place(self, shard: Shard) -> str:
        """Where a shard is, for messages."""
        return f"{self.bucket.url}/{shard.name}"

    def _local(self, shard: Shard, scratch: Path) -> Path:
        try:
            return self.bucket.local(shard.name, scratch)
        except FileNotFoundError as error:
            raise InputError(f"{error}: missing, but named in {manifest.NAME}") from None


def open_dataset(url: str) -> Dataset:
    """The dataset in a folder; InputError if it has no manifest, one of a newer format, or a shard too few."""
    bucket = open_bucket(url)
    try:
        found = manifest.from_json(bucket.read(manifest.NAME), place=f"{url}/{manifest.NAME}")
    except FileNotFoundError:
        raise InputError(f"dataset={url}: no {manifest.NAME}: not a dataset, or one that was not finished") from None
    names = set(bucket.names())
    missing = next((shard.name for shard in found.shards if shard.name not in names), None)
    if missing:
        raise InputError(f"{url}/{missing}: missing, but named in {manifest.NAME}")
    return Dataset(bucket, found)
