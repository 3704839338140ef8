"""Describe a dataset: its settings, counts, review lengths, symbols, and three of its windows.

    python -m jobs.describe DATASET [--html URL]

DATASET is the URL of a dataset's folder. --html also writes the description as an HTML file with plots. This needs
the extra `describe`. The command reads all shards, two at a time, and holds some records of each in memory.
"""

from collections.abc import Sequence
from pathlib import Path

from jobs.cli import command
from jobs.terminal.dataset import Section, Window, dataset_sections
from preprocessing.dataset.folder import Dataset, open_dataset
from preprocessing.dataset.manifest import Shard
from preprocessing.dataset.statistics import ShardStatistics, empty_statistics, read_statistics, read_window
from preprocessing.dataset.verification import check_file
from preprocessing.errors import InputError
from preprocessing.extras import require_extra
from preprocessing.storage.urls import open_for_writing


def main(argv: Sequence[str] | None = None) -> None:
    parser = command.parser(__doc__)
    parser.add_argument("dataset", metavar="DATASET")
    parser.add_argument("--html", metavar="URL", help="file to write or replace, local or gs://")
    args = parser.parse_args(argv)
    if args.html is not None:
        require_extra("describe")
    dataset = open_dataset(args.dataset)
    if args.html is None:
        sections, _ = describe(dataset)
    else:
        with open_for_writing(args.html) as file:
            from jobs.pages.dataset import dataset_page

            sections, statistics = describe(dataset)
            file.write(dataset_page(sections, dataset.manifest, statistics))
    print("\n\n".join("\n".join([section.title, "", *section.lines]) for section in sections))


def describe(dataset: Dataset) -> tuple[list[Section], ShardStatistics]:
    """Return the description of a dataset, and its shards' statistics. Raises InputError for a damaged shard."""
    manifest = dataset.manifest
    if manifest.stride_chars > manifest.window_chars:
        raise InputError(
            f"dataset={dataset.bucket.url}: stride_chars={manifest.stride_chars}, expected at most "
            f"window_chars={manifest.window_chars}: characters between the windows are lost"
        )
    total, windows = empty_statistics(manifest), []
    records = _pick_records(manifest.shards_of("train"))

    def read(shard: Shard, path: Path) -> tuple[ShardStatistics, list[Window]]:
        return _read_shard(dataset, shard, path, records.get(shard, []))

    for statistics, shard_windows in dataset.map_shards(read):
        total += statistics
        windows += shard_windows
    return dataset_sections(manifest, total, windows), total


def _pick_records(shards: Sequence[Shard]) -> dict[Shard, list[tuple[int, int]]]:
    """Pick the first, the middle and the last record: by shard, (number in the split, number in the shard)."""
    count = sum(shard.records for shard in shards)
    numbers = sorted({0, count // 2, count - 1}) if count else []
    picked, start = {}, 0
    for shard in shards:
        picked[shard] = [(number, number - start) for number in numbers if 0 <= number - start < shard.records]
        start += shard.records
    return picked


def _read_shard(
    dataset: Dataset, shard: Shard, path: Path, records: Sequence[tuple[int, int]]
) -> tuple[ShardStatistics, list[Window]]:
    """Return a shard's statistics, and the windows of some of its records."""
    manifest, url = dataset.manifest, dataset.shard_url(shard)
    check_file(path, shard, where=url)
    with path.open("rb") as file:
        statistics = read_statistics(file, manifest, where=url)
        symbols = manifest.symbols()
        windows = [
            Window(number, shard.name, symbols.decode(read_window(file, record, manifest)))
            for number, record in records
        ]
    return statistics, windows


if __name__ == "__main__":
    command.run(main)
