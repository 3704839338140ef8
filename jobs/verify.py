"""Is a dataset what its manifest says, to the last byte?

    python -m jobs.verify DATASET

DATASET is the URL of a dataset's folder. Of each shard, in the manifest's order, the SHA-256 and each record's
frame, CRC and symbols are checked; before that, the manifest's statements against one another. Exit code 2 names
the first fault: its shard, record and byte offset.
"""

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jobs.cli import command
from jobs.terminal.progress import counted
from preprocessing.dataset import manifest
from preprocessing.dataset.folder import Dataset, open_dataset
from preprocessing.dataset.manifest import Shard
from preprocessing.dataset.verification import check_manifest, check_shard
from preprocessing.errors import InputError

SHARDS_AT_ONCE = 2


def main(argv: Sequence[str] | None = None) -> None:
    arguments = command.parser(__doc__)
    arguments.add_argument("dataset", metavar="DATASET")
    dataset = open_dataset(arguments.parse_args(argv).dataset)
    refuse_strays(dataset)
    verify(dataset)
    shards = dataset.manifest.shards
    print(
        f"{dataset.bucket.url}: {len(shards)} shards, {sum(shard.records for shard in shards)} records, "
        f"{sum(shard.bytes for shard in shards)} bytes: all in order"
    )


def refuse_strays(dataset: Dataset) -> None:
    """InputError for a shard beside those that the manifest names, as a build that was killed may leave it."""
    named = {shard.name for shard in dataset.manifest.shards}
    stray = [name for name in dataset.bucket.names(below=False) if name.endswith(".tfrecord") and name not in named]
    if stray:
        raise InputError(f"{dataset.bucket.url}/{stray[0]}: not named in {manifest.NAME}, but a reader may take it")


def verify(dataset: Dataset) -> None:
    """InputError with the first fault of what the manifest says and names, if there is one."""
    check_manifest(dataset.manifest, place=f"{dataset.bucket.url}/{manifest.NAME}")
    shards = dataset.manifest.shards
    with tempfile.TemporaryDirectory(prefix="verify-") as scratch, ThreadPoolExecutor(SHARDS_AT_ONCE) as threads:
        checked = threads.map(lambda shard: _check(dataset, shard, Path(scratch)), shards)
        for _ in counted(checked, total=len(shards), unit="shard"):
            pass


def _check(dataset: Dataset, shard: Shard, scratch: Path) -> None:
    with dataset.local(shard, scratch) as path, path.open("rb") as file:
        check_shard(file, shard, dataset.manifest, place=dataset.place(shard))


if __name__ == "__main__":
    command.run(main)
