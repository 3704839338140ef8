"""A dataset as a trainer needs it: its manifest, and its shards on the local disk, whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from preprocessing.dataset import manifest
from preprocessing.dataset.manifest import Manifest, Shard
from preprocessing.dataset.verification import check_file
from preprocessing.dataset.vocabulary import SEED, Vocabulary, from_table
from preprocessing.errors import InputError
from preprocessing.storage.bucket import Bucket
from preprocessing.storage.urls import is_local, open_bucket, split_url

RUN_CONFIG = "config.yaml"  # in the folder of every run, and of no dataset


@dataclass(frozen=True)
class Dataset:
    """A folder with a manifest."""

    bucket: Bucket
    manifest: Manifest

    @property
    def copied(self) -> bool:
        """Whether a shard has to be copied before it can be read."""
        return not is_local(self.bucket.url)

    def shards(self, split: str) -> tuple[Shard, ...]:
        """The split's shards; InputError if there are none."""
        shards = self.manifest.of(split)
        if not shards:
            raise InputError(f"dataset={self.bucket.url}: no {split} split")
        return shards

    def fetch(self, shard: Shard, folder: Path) -> Path:
        """A shard as a local file, a copy in `folder` if it is none; InputError if it is not whole."""
        path = self._local(shard, folder)
        check_file(path, shard, place=self.place(shard))
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
    """The dataset in a folder; InputError if it has no manifest, one of a newer format, or a shard too few.

    The message says if the folder is a run's, which has a manifest too.
    """
    bucket = open_bucket(url)
    try:
        found = manifest.parse_manifest(bucket.read(manifest.NAME), where=f"{url}/{manifest.NAME}")
    except FileNotFoundError:
        raise InputError(
            f"dataset={url}: no {manifest.NAME}: not a dataset, or one that was not finished: "
            "make one with python -m jobs.preprocess"
        ) from None
    names = set(bucket.names())
    missing = next((shard.name for shard in found.shards if shard.name not in names), None)
    if missing and RUN_CONFIG in names:
        raise InputError(f"dataset={url}: a run, expected a dataset, such as the one that its {RUN_CONFIG} names")
    if missing:
        raise InputError(f"{url}/{missing}: missing, but named in {manifest.NAME}")
    return Dataset(bucket, found)


def load_vocabulary(setting: str) -> Vocabulary | None:
    """`seed`, a table's URL, or None for `auto`. InputError, with the place, for a table that is none."""
    if setting == "seed":
        return SEED
    if setting == "auto":
        return None
    folder, name = split_url(setting)
    try:
        return from_table(folder.read(name), place=setting)
    except FileNotFoundError:
        raise InputError(f"vocabulary={setting}: no such file; expected seed, auto or a table") from None
