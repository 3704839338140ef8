"""What a dataset holds, in words: titled blocks of plain text, aligned, that depend on the dataset alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.terminal.table import columns, named, table, visible
from preprocessing.dataset.manifest import Manifest
from preprocessing.dataset.statistics import Contents

WIDTH = 100  # characters in a line of what has columns
LISTED = 20  # dropped symbols and source files, at most

SETTINGS, SOURCES, LINES, SPLITS = "Settings", "Source files", "Lines read", "Splits"
LENGTHS, SYMBOLS, DROPPED, WINDOWS = "Review lengths in characters", "Symbols", "Dropped symbols", "Windows"


@dataclass(frozen=True)
class Window:
    """A record's place among those of the train split, and its text."""

    number: int
    shard: str
    text: str


@dataclass(frozen=True)
class Section:
    title: str
    lines: Sequence[str]


def sections(manifest: Manifest, contents: Contents, windows: Sequence[Window]) -> list[Section]:
    """All there is to say, in order."""
    counts = manifest.counts
    return [
        *facts(manifest),
        Section(LENGTHS, _lengths(contents, kept=counts["kept"])),
        Section(SYMBOLS, columns(table("<>>", _shares(ranked(manifest, contents))), width=WIDTH)),
        Section(DROPPED, _dropped(counts["dropped"])),
        Section(WINDOWS, [line for window in windows for line in _window(window)] or ["none"]),
    ]


def facts(manifest: Manifest) -> list[Section]:
    """What the manifest alone says."""
    return [
        Section(SETTINGS, table("<<", _settings(manifest))),
        Section(SOURCES, _sources(manifest.sources)),
        Section(LINES, table("<>", _lines_read(manifest))),
        Section(SPLITS, table("<>>>>>", _splits(manifest))),
    ]


def ranked(manifest: Manifest, contents: Contents) -> list[tuple[str, int]]:
    """Each symbol and how often it occurs; the most frequent first, of equals the lower id."""
    pairs = zip(manifest.vocabulary, contents.symbols.tolist(), strict=True)
    return sorted(pairs, key=lambda pair: -pair[1])


def _settings(manifest: Manifest) -> Iterable[tuple[str, str]]:
    yield "fingerprint", manifest.fingerprint
    for key, value in manifest.settings.items():
        if key != "vocabulary":
            yield key, visible(str(value))
    yield "shard_rule", visible(manifest.shard_rule)
    yield "symbols", f"{len(manifest.vocabulary):,} ({manifest.dtype})"
    yield "record_bytes", f"{manifest.record_bytes:,}"


def _sources(sources: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [(visible(source["name"]), f"{source['bytes']:,} bytes", source["crc32c"]) for source in sources[:LISTED]]
    return table("<><", rows) + _more(len(sources))


def _lines_read(manifest: Manifest) -> Iterable[tuple[str, str]]:
    counts = manifest.counts
    yield "read", f"{counts['read']:,}"
    yield "= kept", f"{counts['kept']:,}"
    yield "+ duplicate", f"{counts['duplicate']:,}"
    yield "+ rejected", f"{manifest.rejected:,}"
    for reason, count in _most(counts["rejected"]):
        yield f"    {visible(reason)}", f"{count:,}"


def _splits(manifest: Manifest) -> Iterable[tuple[str, ...]]:
    names = ("reviews", "characters", "windows", "shards", "tail")
    rows = {name: {**split, "shards": len(manifest.of(name))} for name, split in manifest.splits.items()}
    rows["all"] = {column: sum(row[column] for row in rows.values()) for column in names}
    yield "", *names
    for name, row in rows.items():
        yield name, *(f"{row[column]:,}" for column in names)


def _lengths(contents: Contents, *, kept: int) -> list[str]:
    note = f"of {contents.whole:,} whole reviews out of {kept:,}; {contents.cut:,} cut at a shard's end left out"
    if not contents.whole:
        return [note]
    percents = {"min": 0, "median": 50, "90th percentile": 90, "99th percentile": 99, "max": 100}
    rows = [(name, f"{contents.percentile(percent):,}") for name, percent in percents.items()]
    rows.insert(2, ("mean", f"{contents.mean():,.1f}"))
    return [*table("<>", rows), note]


def _shares(counts: Sequence[tuple[str, int]]) -> Iterable[tuple[str, str, str]]:
    total = sum(count for _, count in counts) or 1
    return ((named(symbol), f"{count:,}", f"{100 * count / total:.3f}%") for symbol, count in counts)


def _dropped(dropped: Mapping[str, int]) -> list[str]:
    rows = [(named(symbol), f"{count:,}") for symbol, count in _most(dropped)]
    return table("<>", rows[:LISTED]) + _more(len(rows)) or ["none"]


def _window(window: Window) -> Iterable[str]:
    yield f"{window.shard}, window {window.number:,} of the train split"
    text = visible(window.text)
    yield from (f"    {text[k : k + WIDTH - 4]}" for k in range(0, len(text), WIDTH - 4))


def _most(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The most frequent first, equals in the manifest's order."""
    return sorted(counts.items(), key=lambda pair: -pair[1])


def _more(found: int) -> list[str]:
    return [f"and {found - LISTED:,} more"] if found > LISTED else []
