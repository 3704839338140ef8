"""A dataset as a trainer needs it: its manifest, and its shards on the local disk, whole."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from jobs.storage import Bucket, download_many, open_bucket
from preprocessing import manifest
from preprocessing.errors import InputError
from preprocessing.manifest import Manifest, Shard
from preprocessing.verification import check_file


@dataclass(frozen=True)
class Dataset:
    """A folder with a manifest."""

    bucket: Bucket
    manifest: Manifest

    def stage(self, split: str, scratch: Path) -> list[Path]:
        """The split's shards as local files, each whole by the manifest; InputError names the first that is not."""
        shards = self.manifest.of(split)
        if not shards:
            raise InputError(f"dataset={self.bucket.url}: no {split} split")
        try:
            paths = download_many(self.bucket, [shard.name for shard in shards], scratch)
        except FileNotFoundError as error:
            raise InputError(f"{error}: missing, but named in {manifest.NAME}") from None
        with ThreadPoolExecutor() as threads:
            list(threads.map(lambda path, shard: check_file(path, shard, place=self._place(shard)), paths, shards))
        return paths

    def _place(self, shard: Shard) -> str:
        return f"{self.bucket.url}/{shard.name}"


def open_dataset(url: str) -> Dataset:
    """The dataset in a folder; InputError if it has no manifest, one of a newer format, or a shard too few."""
    bucket = open_bucket(url)
    try:
        found = manifest.from_json(bucket.read(manifest.NAME), place=f"{url}/{manifest.NAME}")
    except FileNotFoundError:
        raise InputError(f"dataset={url}: no {manifest.NAME}: not a dataset, or one that was not finished") from None
    missing = missing_shards(bucket, found.shards)
    if missing:
        raise InputError(f"{url}/{missing[0]}: missing, but named in {manifest.NAME}")
    return Dataset(bucket, found)


def missing_shards(bucket: Bucket, shards: Sequence[Shard]) -> list[str]:
    """The names of shards that are not in the folder."""
    names = set(bucket.names())
    return [shard.name for shard in shards if shard.name not in names]
