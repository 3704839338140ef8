"""The input files behind paths, gs:// URLs and globs."""

import fnmatch
import itertools
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from preprocessing.errors import InputError
from preprocessing.sources.archives import HEAD_BYTES
from preprocessing.sources.reader import FORMAT_BYTES, FilePart, check_name, is_splittable, split_file
from preprocessing.sources.review import DEFAULT_COLUMNS, Columns
from preprocessing.storage.bucket import Bucket, ObjectStat
from preprocessing.storage.urls import absolute, split_url

THREADS = 8  # requests at once


@dataclass(frozen=True)
class Source:
    """An input file: its URL, its name in the manifest, its size and the CRC-32C of its content."""

    url: str
    name: str
    bytes: int
    crc32c: str


def find_sources(urls: str | Sequence[str]) -> list[Source]:
    """Find the files behind paths, gs:// URLs and globs. Return each once, in the order of the names.

    Raises InputError if a URL leads to no file, if a file cannot be a source, or if two files have the same name.
    """
    with ThreadPoolExecutor(THREADS) as threads:
        found = threads.map(_match, [urls] if isinstance(urls, str) else urls)
        by_url = {absolute(source.url): source for sources in found for source in sources}
    sources = sorted(by_url.values(), key=lambda source: source.name)
    for first, second in itertools.pairwise(sources):
        if first.name == second.name:
            raise InputError(f"input: {first.url} and {second.url} have the same name, expected different names")
    return sources


def split_sources(sources: Sequence[Source], columns: Columns = DEFAULT_COLUMNS) -> list[FilePart]:
    """Return the parts of all files in order. The URLs are absolute, for workers elsewhere."""
    with ThreadPoolExecutor(THREADS) as threads:
        splittable = list(threads.map(_is_splittable, sources))
    parts = []
    for number, (source, lines) in enumerate(zip(sources, splittable, strict=True)):
        url = absolute(source.url)
        parts += split_file(number, url=url, name=source.name, size=source.bytes, lines=lines, columns=columns)
    return parts


def _is_splittable(source: Source) -> bool:
    folder, name = split_url(source.url)
    return is_splittable(source.name, source.bytes, partial(folder.read_range, name, 0, FORMAT_BYTES))


def _match(url: str) -> list[Source]:
    folder, pattern = split_url(url)
    _require_printable(pattern, url)
    stats = _find_stats(folder, pattern, url)
    for name in stats:
        _require_printable(name, url)
        if not stats[name].bytes:
            raise InputError(f"input={url}: {name} is empty")
        check_name(name, partial(folder.read_range, name, 0, HEAD_BYTES))
    prefix = folder.url.rstrip("/")
    return [Source(f"{prefix}/{name}", name, stat.bytes, stat.crc32c()) for name, stat in stats.items()]


def _require_printable(name: str, url: str) -> None:
    if not name.isprintable():
        raise InputError(f"input={url}: {name!r}: expected a printable name")


def _find_stats(folder: Bucket, pattern: str, url: str) -> dict[str, ObjectStat]:
    """Return the files that a name or a glob matches. One request finds them all, as a listing has their sizes too."""
    if not re.search(r"[*?\[]", pattern):
        try:
            return {pattern: folder.stat(pattern)}
        except FileNotFoundError:
            raise InputError(f"input={url}: no such file") from None
    listing = folder.stats(re.split(r"[*?\[]", pattern)[0], recursive="/" in pattern)
    if pattern in listing:
        return {pattern: listing[pattern]}
    matches = {name: stat for name, stat in listing.items() if _matches(name, pattern)}
    if not matches:
        raise InputError(f"input={url}: no file matches")
    return matches


def _matches(name: str, pattern: str) -> bool:
    """Match part by part, as a shell does: `*.jsonl` must not match rejected/x.jsonl of a dataset below."""
    parts, patterns = name.split("/"), pattern.split("/")
    return len(parts) == len(patterns) and all(map(fnmatch.fnmatchcase, parts, patterns))
