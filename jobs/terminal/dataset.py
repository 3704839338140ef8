"""The description of a dataset: titled sections of aligned plain text, the same for the same dataset."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.terminal.table import escape_invisible, format_columns, format_table, name_symbol
from preprocessing.dataset.manifest import Manifest
from preprocessing.dataset.statistics import ShardStatistics

WIDTH = 100  # characters in a line
MAX_ROWS = 20  # of dropped symbols and source files

SETTINGS, SOURCES, LINES, SPLITS = "Settings", "Source files", "Lines read", "Splits"
LENGTHS, SYMBOLS, DROPPED, WINDOWS = "Review lengths in characters", "Symbols", "Dropped symbols", "Windows"


@dataclass(frozen=True)
class Window:
    """The text of a record, its number in the train split, and its shard."""

    number: int
    shard: str
    text: str


@dataclass(frozen=True)
class Section:
    title: str
    lines: Sequence[str]


def dataset_sections(manifest: Manifest, statistics: ShardStatistics, windows: Sequence[Window]) -> list[Section]:
    """Describe a dataset from its manifest, its shards' statistics and some of its windows."""
    counts = manifest.counts
    return [
        *manifest_sections(manifest),
        Section(LENGTHS, _lengths(statistics, kept=counts["kept"])),
        Section(
            SYMBOLS, format_columns(format_table("<>>", _shares(symbols_by_count(manifest, statistics))), width=WIDTH)
        ),
        Section(DROPPED, _dropped(counts["dropped"])),
        Section(WINDOWS, [line for window in windows for line in _window(window)] or ["none"]),
    ]


def manifest_sections(manifest: Manifest) -> list[Section]:
    """Describe a dataset from its manifest alone."""
    return [
        Section(SETTINGS, format_table("<<", _settings(manifest))),
        Section(SOURCES, _sources(manifest.sources)),
        Section(LINES, format_table("<>", _lines_read(manifest))),
        Section(SPLITS, format_table("<>>>>>", _splits(manifest))),
    ]


def symbols_by_count(manifest: Manifest, statistics: ShardStatistics) -> list[tuple[str, int]]:
    """List (name of the symbol, count), most frequent first, then by id."""
    pairs = zip(map(name_symbol, manifest.vocabulary), statistics.symbols.tolist(), strict=True)
    return sorted(pairs, key=lambda pair: -pair[1])


def _settings(manifest: Manifest) -> Iterable[tuple[str, str]]:
    yield "fingerprint", manifest.fingerprint
    for key, value in manifest.settings.items():
        if key != "vocabulary":
            yield key, escape_invisible(str(value))
    yield "shard_rule", escape_invisible(manifest.shard_rule)
    yield "symbols", f"{len(manifest.vocabulary):,} ({manifest.dtype})"
    yield "record_bytes", f"{manifest.record_bytes:,}"


def _sources(sources: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [
        (escape_invisible(source["name"]), f"{source['bytes']:,} bytes", source["crc32c"])
        for source in sources[:MAX_ROWS]
    ]
    return format_table("<><", rows) + _more(len(sources))


def _lines_read(manifest: Manifest) -> Iterable[tuple[str, str]]:
    counts = manifest.counts
    yield "read", f"{counts['read']:,}"
    yield "= kept", f"{counts['kept']:,}"
    yield "+ duplicate", f"{counts['duplicate']:,}"
    yield "+ rejected", f"{manifest.rejected:,}"
    for reason, count in _by_count(counts["rejected"]):
        yield f"    {escape_invisible(reason)}", f"{count:,}"


def _splits(manifest: Manifest) -> Iterable[tuple[str, ...]]:
    names = ("reviews", "characters", "windows", "shards", "tail")
    rows = {name: {**split, "shards": len(manifest.shards_of(name))} for name, split in manifest.splits.items()}
    rows["all"] = {column: sum(row[column] for row in rows.values()) for column in names}
    yield "", *names
    for name, row in rows.items():
        yield name, *(f"{row[column]:,}" for column in names)


def _lengths(statistics: ShardStatistics, *, kept: int) -> list[str]:
    note = f"of {statistics.complete:,} whole reviews out of {kept:,}; {statistics.cut:,} cut at a shard's end left out"
    if not statistics.complete:
        return [note]
    percents = {"min": 0, "median": 50, "90th percentile": 90, "99th percentile": 99, "max": 100}
    rows = [(name, f"{statistics.percentile(percent):,}") for name, percent in percents.items()]
    rows.insert(2, ("mean", f"{statistics.mean():,.1f}"))
    return [*format_table("<>", rows), note]


def _shares(counts: Sequence[tuple[str, int]]) -> Iterable[tuple[str, str, str]]:
    total = sum(count for _, count in counts) or 1
    return ((name, f"{count:,}", f"{100 * count / total:.3f}%") for name, count in counts)


def _dropped(dropped: Mapping[str, int]) -> list[str]:
    rows = [(name_symbol(symbol), f"{count:,}") for symbol, count in _by_count(dropped)]
    return format_table("<>", rows[:MAX_ROWS]) + _more(len(rows)) or ["none"]


def _window(window: Window) -> Iterable[str]:
    yield f"{window.shard}, window {window.number:,} of the train split"
    text = escape_invisible(window.text)
    yield from (f"    {text[k : k + WIDTH - 4]}" for k in range(0, len(text), WIDTH - 4))


def _by_count(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Sort by count, highest first, then in the manifest's order."""
    return sorted(counts.items(), key=lambda pair: -pair[1])


def _more(rows: int) -> list[str]:
    return [f"and {rows - MAX_ROWS:,} more"] if rows > MAX_ROWS else []
