"""Describe a dataset: its settings, counts, review lengths, symbols, and three of its windows.

    python -m jobs.describe DATASET [--html FILE]

DATASET is the URL of a dataset's folder. --html also writes the description as an HTML file with plots. This needs
the extra `describe`. The command reads all shards, two at a time, and holds some records of each in memory.
"""

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from jobs.cli import command
from jobs.terminal.dataset import Section, Window, dataset_sections
from preprocessing.dataset.folder import Dataset, open_dataset
from preprocessing.dataset.manifest import Shard
from preprocessing.dataset.statistics import ShardStatistics, empty_statistics, read_statistics, read_window
from preprocessing.dataset.verification import check_file
from preprocessing.errors import InputError
from preprocessing.extras import require_extra
from preprocessing.storage.atomic import as_input_error, replace_file

SHARDS_AT_ONCE = 2


def main(argv: Sequence[str] | None = None) -> None:
    parser = command.parser(__doc__)
    parser.add_argument("dataset", metavar="DATASET")
    parser.add_argument("--html", metavar="FILE", help="local file to write or replace")
    args = parser.parse_args(argv)
    if args.html is not None:
        require_extra("describe")
    dataset = open_dataset(args.dataset)
    if args.html is None:
        sections, _ = describe(dataset)
    else:
        with _open_page(args.html) as file:
            from jobs.pages.dataset import dataset_page

            sections, statistics = describe(dataset)
            file.write(dataset_page(sections, dataset.manifest, statistics))
    print("\n\n".join("\n".join([section.title, "", *section.lines]) for section in sections))


@contextmanager
def _open_page(html: str) -> Iterator[BinaryIO]:
    """Open the page's file before the work. Raises InputError if it cannot be written after the work."""
    if "://" in html:
        raise InputError(f"--html {html}: expected a local file")
    path = Path(html).expanduser()
    with as_input_error(path):
        is_folder = path.is_dir()
    if is_folder:
        raise InputError(f"--html {html}: a folder, expected a file")
    with replace_file(path) as file:
        yield file


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
    with tempfile.TemporaryDirectory(prefix="describe-") as scratch, ThreadPoolExecutor(SHARDS_AT_ONCE) as threads:
        for statistics, shard_windows in threads.map(
            lambda shard: _read_shard(dataset, shard, records.get(shard, []), Path(scratch)), manifest.shards
        ):
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
    dataset: Dataset, shard: Shard, records: Sequence[tuple[int, int]], scratch: Path
) -> tuple[ShardStatistics, list[Window]]:
    """Return a shard's statistics, and the windows of some of its records."""
    manifest, url = dataset.manifest, dataset.shard_url(shard)
    with dataset.local_shard(shard, scratch) as path, path.open("rb") as file:
        check_file(path, shard, where=url)
        statistics = read_statistics(file, manifest, where=url)
        symbols = manifest.symbols()
        windows = [
            Window(number, shard.name, symbols.decode(read_window(file, record, manifest)))
            for number, record in records
        ]
    return statistics, windows


if __name__ == "__main__":
    command.run(main)
