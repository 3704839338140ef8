"""The input files behind paths, gs:// URLs and globs."""

import fnmatch
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from preprocessing.errors import InputError
from preprocessing.sources.reader import check_name
from preprocessing.storage.urls import absolute, exists, split_url


@dataclass(frozen=True)
class Source:
    """One input file: where it is, its name in the dataset, and its content in short."""

    url: str
    name: str
    bytes: int
    crc32c: str


def find(urls: str | Sequence[str]) -> list[Source]:
    """The files behind paths, gs:// URLs and globs, by name; each is read once.

    InputError if there is none, one is of no use, or two have one name, which would then tell nothing.
    """
    found: dict[str, Source] = {}
    for url in [urls] if isinstance(urls, str) else urls:
        found |= {absolute(source.url): source for source in _behind(url)}
    sources = sorted(found.values(), key=lambda source: source.name)
    for one, other in itertools.pairwise(sources):
        if one.name == other.name:
            raise InputError(f"input: {one.url} and {other.url} have one name, expected each its own")
    return sources


def _behind(url: str) -> Iterator[Source]:
    folder, pattern = split_url(url)
    names = [pattern]
    if re.search(r"[*?\[]", pattern) and not exists(folder, pattern):
        names = [name for name in folder.names(below="/" in pattern) if _matches(name, pattern)]
        if not names:
            raise InputError(f"input={url}: no file matches")
    for name in names:
        if not name.isprintable():
            raise InputError(f"input={url}: {name!r}: expected a name that can be printed")
        try:
            size = folder.size(name)
        except FileNotFoundError:
            raise InputError(f"input={url}: no such file") from None
        check_name(name)
        if not size:
            raise InputError(f"input={url}: {name} is empty")
        yield Source(f"{folder.url.rstrip('/')}/{name}", name, size, folder.checksum(name))


def _matches(name: str, pattern: str) -> bool:
    """Part by part, as in a shell: `*.jsonl` must not find rejected/x.jsonl of a dataset further down."""
    parts, patterns = name.split("/"), pattern.split("/")
    return len(parts) == len(patterns) and all(map(fnmatch.fnmatchcase, parts, patterns))
