"""What is in a dataset: its settings, counts, review lengths and symbols, and three of its windows.

    python -m jobs.describe DATASET [--html FILE]

DATASET is the URL of a dataset's folder. --html writes the same as an HTML file with plots, too, for which it needs
matplotlib. Each shard is read, two at a time, some records at a time.
"""

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from jobs.cli import command
from jobs.terminal.dataset import Section, Window, sections
from preprocessing.dataset import statistics
from preprocessing.dataset.folder import Dataset, open_dataset
from preprocessing.dataset.manifest import Shard
from preprocessing.dataset.statistics import Contents
from preprocessing.dataset.verification import check_file
from preprocessing.errors import InputError
from preprocessing.storage.atomic import as_input_error, replacing

SHARDS_AT_ONCE = 2


def main(argv: Sequence[str] | None = None) -> None:
    arguments = command.parser(__doc__)
    arguments.add_argument("dataset", metavar="DATASET")
    arguments.add_argument("--html", metavar="FILE", help="a local file, to be written or replaced")
    asked = arguments.parse_args(argv)
    dataset = open_dataset(asked.dataset)
    if asked.html is None:
        told, _ = describe(dataset)
    else:
        with _page(asked.html) as file:
            from jobs.pages.dataset import page

            told, found = describe(dataset)
            title = f"Dataset {dataset.manifest.fingerprint[:8]}"
            file.write(page(title, told, dataset.manifest, found))
    print("\n\n".join("\n".join([section.title, "", *section.lines]) for section in told))


@contextmanager
def _page(asked: str) -> Iterator[BinaryIO]:
    """The file to write, before the work; InputError if it could not be written after it."""
    if "://" in asked:
        raise InputError(f"--html {asked}: expected a local file")
    path = Path(asked).expanduser()
    with as_input_error(path):
        folder = path.is_dir()
    if folder:
        raise InputError(f"--html {asked}: a folder, expected a file")
    try:
        import matplotlib  # noqa: F401 (asked for early: without it all the work would be in vain)
    except ImportError:
        raise InputError("--html: needs matplotlib, which is not installed") from None
    with replacing(path) as file:
        yield file


def describe(dataset: Dataset) -> tuple[list[Section], Contents]:
    """What there is to say of a dataset, and what was counted for it. InputError for a shard that is not whole."""
    manifest = dataset.manifest
    if manifest.stride_chars > manifest.window_chars:
        raise InputError(
            f"dataset={dataset.bucket.url}: stride_chars={manifest.stride_chars}, expected at most "
            f"window_chars={manifest.window_chars}: characters between the windows are lost"
        )
    total, windows = statistics.nothing(manifest), []
    with tempfile.TemporaryDirectory(prefix="describe-") as scratch, ThreadPoolExecutor(SHARDS_AT_ONCE) as threads:
        picked = _picked(manifest.of("train"))
        for found, own in threads.map(lambda s: _read(dataset, s, picked.get(s, []), Path(scratch)), manifest.shards):
            total += found
            windows += own
    return sections(manifest, total, windows), total


def _picked(shards: Sequence[Shard]) -> dict[Shard, list[tuple[int, int]]]:
    """The first, the middle and the last record of all: its number among all and in its shard."""
    count = sum(shard.records for shard in shards)
    numbers = sorted({0, count // 2, count - 1}) if count else []
    picked, start = {}, 0
    for shard in shards:
        picked[shard] = [(number, number - start) for number in numbers if 0 <= number - start < shard.records]
        start += shard.records
    return picked


def _read(
    dataset: Dataset, shard: Shard, picked: Sequence[tuple[int, int]], scratch: Path
) -> tuple[Contents, list[Window]]:
    manifest, place = dataset.manifest, dataset.place(shard)
    with dataset.local(shard, scratch) as path, path.open("rb") as file:
        check_file(path, shard, place=place)
        found = statistics.read(file, manifest, place=place)
        symbols = manifest.symbols()
        windows = [
            Window(number, shard.name, symbols.decode(statistics.window(file, record, manifest)))
            for number, record in picked
        ]
    return found, windows


if __name__ == "__main__":
    command.run(main)
