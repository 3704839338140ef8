"""The input files behind paths, gs:// URLs and globs."""

import fnmatch
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from preprocessing.errors import InputError
from preprocessing.sources.archives import HEAD_BYTES
from preprocessing.sources.reader import FORMAT_BYTES, FilePart, check_name, is_splittable, split_file
from preprocessing.sources.review import DEFAULT_COLUMNS, Columns
from preprocessing.storage.urls import absolute, exists, split_url


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
    by_url: dict[str, Source] = {}
    for url in [urls] if isinstance(urls, str) else urls:
        by_url |= {absolute(source.url): source for source in _match(url)}
    sources = sorted(by_url.values(), key=lambda source: source.name)
    for first, second in itertools.pairwise(sources):
        if first.name == second.name:
            raise InputError(f"input: {first.url} and {second.url} have the same name, expected different names")
    return sources


def split_sources(sources: Sequence[Source], columns: Columns = DEFAULT_COLUMNS) -> list[FilePart]:
    """Return the parts of all files in order. The URLs are absolute, for workers elsewhere."""
    parts = []
    for number, source in enumerate(sources):
        folder, name = split_url(source.url)
        lines = is_splittable(source.name, source.bytes, partial(folder.read_start, name, FORMAT_BYTES))
        url = absolute(source.url)
        parts += split_file(number, url=url, name=source.name, size=source.bytes, lines=lines, columns=columns)
    return parts


def _match(url: str) -> Iterator[Source]:
    folder, pattern = split_url(url)
    names = [pattern]
    if re.search(r"[*?\[]", pattern) and not exists(folder, pattern):
        names = [name for name in folder.names(recursive="/" in pattern) if _matches(name, pattern)]
        if not names:
            raise InputError(f"input={url}: no file matches")
    for name in names:
        if not name.isprintable():
            raise InputError(f"input={url}: {name!r}: expected a printable name")
        try:
            stat = folder.stat(name)
        except FileNotFoundError:
            raise InputError(f"input={url}: no such file") from None
        check_name(name, partial(folder.read_start, name, HEAD_BYTES))
        if not stat.bytes:
            raise InputError(f"input={url}: {name} is empty")
        yield Source(f"{folder.url.rstrip('/')}/{name}", name, stat.bytes, stat.crc32c())


def _matches(name: str, pattern: str) -> bool:
    """Match part by part, as a shell does: `*.jsonl` must not match rejected/x.jsonl of a dataset below."""
    parts, patterns = name.split("/"), pattern.split("/")
    return len(parts) == len(patterns) and all(map(fnmatch.fnmatchcase, parts, patterns))
