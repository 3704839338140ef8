"""A dataset's folder: its manifest, and its shards as checked local files."""

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from preprocessing.dataset import manifest
from preprocessing.dataset.manifest import Manifest, Shard
from preprocessing.dataset.verification import check_file
from preprocessing.dataset.vocabulary import SEED, Vocabulary, parse_symbol_table
from preprocessing.errors import InputError
from preprocessing.storage.bucket import Bucket, local_file
from preprocessing.storage.urls import is_local, open_bucket, split_url

Result = TypeVar("Result")
SHARDS_AT_ONCE = 2
RUN_CONFIG = "config.yaml"  # in the folder of every run, and of no dataset


@dataclass(frozen=True)
class Dataset:
    """A folder with a manifest and its shards."""

    bucket: Bucket
    manifest: Manifest

    @property
    def is_remote(self) -> bool:
        """True if a shard must be copied before it can be read."""
        return not is_local(self.bucket.url)

    def shards(self, split: str) -> tuple[Shard, ...]:
        """Return the split's shards. Raises InputError if there are none."""
        shards = self.manifest.shards_of(split)
        if not shards:
            raise InputError(f"dataset={self.bucket.url}: no {split} split")
        return shards

    def fetch(self, shard: Shard, folder: Path) -> Path:
        """Return a shard as a local file, copied to `folder` if it is remote. Raises InputError if it is damaged."""
        with self._missing_as_input_error():
            path = self.bucket.fetch(shard.name, folder)
        check_file(path, shard, where=self.shard_url(shard))
        return path

    @contextmanager
    def local_shard(self, shard: Shard, scratch: Path) -> Iterator[Path]:
        """Yield a shard as a local file, unchecked. Delete the file after the block if it is a copy in `scratch`."""
        with self._missing_as_input_error(), local_file(self.bucket, shard.name, scratch) as path:
            yield path

    def map_shards(self, read: Callable[[Shard, Path], Result]) -> Iterator[Result]:
        """Yield what `read` returns for each shard and its local file, in order. Reads two shards at a time."""

        def read_local(shard: Shard) -> Result:
            with self.local_shard(shard, Path(scratch)) as path:
                return read(shard, path)

        with tempfile.TemporaryDirectory(prefix="shards-", ignore_cleanup_errors=True) as scratch:
            threads = ThreadPoolExecutor(SHARDS_AT_ONCE)
            try:
                yield from threads.map(read_local, self.manifest.shards)
            finally:
                threads.shutdown(wait=False, cancel_futures=True)  # a download that stalls would hold up a SIGTERM

    def shard_url(self, shard: Shard) -> str:
        """Return a shard's URL, for messages."""
        return f"{self.bucket.url}/{shard.name}"

    @contextmanager
    def _missing_as_input_error(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise InputError(f"{error}: missing, but named in {manifest.NAME}") from None


def open_dataset(url: str, *, wrap: Callable[[Bucket], Bucket] = lambda bucket: bucket) -> Dataset:
    """Open the dataset in a folder. `wrap` is applied to the folder's bucket.

    Raises InputError if the manifest is missing or of a newer format, if a shard is missing, or if the folder is a
    run's, which has a manifest but no shards.
    """
    bucket = wrap(open_bucket(url))
    try:
        parsed = manifest.parse_manifest(bucket.read(manifest.NAME), where=f"{url}/{manifest.NAME}")
    except FileNotFoundError:
        raise InputError(
            f"dataset={url}: no {manifest.NAME}: not a dataset, or one that was not finished: "
            "make one with python -m jobs.preprocess"
        ) from None
    names = set(bucket.names())
    missing = next((shard.name for shard in parsed.shards if shard.name not in names), None)
    if missing and RUN_CONFIG in names:
        raise InputError(f"dataset={url}: a run, expected a dataset, such as the one that its {RUN_CONFIG} names")
    if missing:
        raise InputError(f"{url}/{missing}: missing, but named in {manifest.NAME}")
    return Dataset(bucket, parsed)


def load_vocabulary(setting: str) -> Vocabulary | None:
    """Return the vocabulary that the setting names: `seed`, a symbol table's URL, or None for `auto`.

    Raises InputError, with the URL, if there is no symbol table.
    """
    if setting == "seed":
        return SEED
    if setting == "auto":
        return None
    folder, name = split_url(setting)
    try:
        return parse_symbol_table(folder.read(name), where=setting)
    except FileNotFoundError:
        raise InputError(f"vocabulary={setting}: no such file; expected seed, auto or a table") from None
