"""What preprocessing reads: the files behind URLs, a vocabulary, and the fingerprint of it all."""

import fnmatch
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.cli.config import differences
from preprocessing.dataset.manifest import Manifest
from preprocessing.dataset.vocabulary import SEED, Vocabulary, from_table
from preprocessing.errors import InputError
from preprocessing.sources.reader import check_name
from preprocessing.storage.atomic import checked
from preprocessing.storage.urls import Bucket, absolute, exists, open_bucket


@dataclass(frozen=True)
class Source:
    """One input file: where it is, its name in the dataset, and its content in short."""

    url: str
    name: str
    bytes: int
    crc32c: str


def split_url(url: str) -> tuple[Bucket, str]:
    """The folder or bucket that a URL's file is in, and the file's name there; a glob's folder has no wildcard.

    InputError if the URL ends as a folder's does.
    """
    plain = re.split(r"[*?\[]", url, maxsplit=1)[0]
    folder, slash, _ = plain.rpartition("/")
    name = url[len(folder) + len(slash) :]
    if name in ("", ".", ".."):
        raise InputError(f"{url}: a folder, expected a file")
    try:
        checked(name)
    except ValueError as error:
        raise InputError(f"{url}: {error}") from None
    return open_bucket(folder if folder else slash or "."), name


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


def described(sources: Sequence[Source]) -> list[dict[str, Any]]:
    """What the manifest says of the sources: not where they were."""
    return [{"name": source.name, "bytes": source.bytes, "crc32c": source.crc32c} for source in sources]


def changes(old: Manifest, settings: Mapping[str, Any], sources: Sequence[Source]) -> str:
    """What is no longer as it was for the dataset that stands there, in words."""
    before = {source["name"]: (source["bytes"], source["crc32c"]) for source in old.sources}
    after = {source.name: (source.bytes, source.crc32c) for source in sources}
    changed = differences(old.settings, settings)
    changed += [f"{name} is new" for name in sorted(after.keys() - before.keys())]
    changed += [f"{name} is no longer read" for name in sorted(before.keys() - after.keys())]
    changed += [f"{name} has changed" for name in sorted(after.keys() & before.keys()) if after[name] != before[name]]
    return "; ".join(changed) or "a shard is missing or damaged"


def load_vocabulary(setting: str) -> Vocabulary | None:
    """`seed`, a table's URL, or None for `auto`. InputError, with the place, for a table that is none."""
    if setting == "seed":
        return SEED
    if setting == "auto":
        return None
    folder, name = split_url(setting)
    try:
        return from_table(folder.read(name), place=setting)
    except FileNotFoundError:
        raise InputError(f"vocabulary={setting}: no such file; expected seed, auto or a table") from None
