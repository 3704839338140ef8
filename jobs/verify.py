"""Verify a dataset against its manifest, byte for byte.

    python -m jobs.verify DATASET

DATASET is the URL of a dataset's folder. The command checks that the manifest agrees with itself. Then it checks
each shard's SHA-256, and each record's frame, CRC and symbols. Exit code 2 names the first fault: its shard, record
and byte offset.
"""

from collections.abc import Sequence
from pathlib import Path

from jobs.cli import command
from preprocessing.dataset import manifest
from preprocessing.dataset.folder import Dataset, open_dataset
from preprocessing.dataset.manifest import Shard
from preprocessing.dataset.verification import check_manifest, check_shard
from preprocessing.errors import InputError
from preprocessing.progress import report_progress


def main(argv: Sequence[str] | None = None) -> None:
    parser = command.parser(__doc__)
    parser.add_argument("dataset", metavar="DATASET")
    dataset = open_dataset(parser.parse_args(argv).dataset)
    refuse_stray_shards(dataset)
    verify(dataset)
    shards = dataset.manifest.shards
    print(
        f"{dataset.bucket.url}: {len(shards)} shards, {sum(shard.records for shard in shards)} records, "
        f"{sum(shard.bytes for shard in shards)} bytes: all in order"
    )


def refuse_stray_shards(dataset: Dataset) -> None:
    """Raise InputError for a shard that the manifest does not name. A killed build may leave such shards."""
    known = {shard.name for shard in dataset.manifest.shards}
    stray = [name for name in dataset.bucket.names(recursive=False) if name.endswith(".tfrecord") and name not in known]
    if stray:
        raise InputError(f"{dataset.bucket.url}/{stray[0]}: not named in {manifest.NAME}, but a reader may take it")


def verify(dataset: Dataset) -> None:
    """Raise InputError for the first fault in the manifest, or else in a shard."""
    check_manifest(dataset.manifest, where=f"{dataset.bucket.url}/{manifest.NAME}")
    shards = dataset.manifest.shards

    def check(shard: Shard, path: Path) -> None:
        with path.open("rb") as file:
            check_shard(file, shard, dataset.manifest, where=dataset.shard_url(shard))

    for _ in report_progress(dataset.map_shards(check), total=len(shards), unit="shard"):
        pass


if __name__ == "__main__":
    command.run(main)
