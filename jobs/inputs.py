"""What preprocessing reads: the files behind a URL, a vocabulary, and the fingerprint of it all."""

import fnmatch
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from jobs.storage import Bucket, open_bucket
from preprocessing import manifest
from preprocessing.errors import InputError
from preprocessing.sources import check_name
from preprocessing.vocabulary import SEED, Vocabulary, from_table

SHARD_BYTES = 32 << 20  # of records, about, if `shards` is auto: a worker holds the reviews of one shard
COMPRESSION = 3  # JSON reviews shrink to about a third


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
    return open_bucket(folder if folder else slash or "."), name


def find(url: str) -> list[Source]:
    """The files behind a path, gs:// URL or glob, by name. InputError if there is none or one is of no use."""
    folder, pattern = split_url(url)
    if re.search(r"[*?\[]", pattern):
        names = [name for name in folder.names() if _matches(name, pattern)]
        if not names:
            raise InputError(f"input={url}: no file matches")
    else:
        names = [pattern]
    sources = []
    for name in names:
        try:
            size = folder.size(name)
        except FileNotFoundError:
            raise InputError(f"input={url}: no such file") from None
        check_name(name)
        if not size:
            raise InputError(f"input={url}: {name} is empty")
        sources.append(Source(f"{folder.url.rstrip('/')}/{name}", name, size, folder.checksum(name)))
    return sources


def _matches(name: str, pattern: str) -> bool:
    """Part by part, as in a shell: `*.jsonl` must not find rejected/x.jsonl of a dataset further down."""
    parts, patterns = name.split("/"), pattern.split("/")
    return len(parts) == len(patterns) and all(map(fnmatch.fnmatchcase, parts, patterns))


def shard_count(sources: Sequence[Source], record_bytes: int, stride_chars: int) -> int:
    """`shards: auto`: as many as make about SHARD_BYTES of records each, from the sources' sizes alone."""
    compressed = (".gz", ".zip")
    chars = sum(s.bytes * (COMPRESSION if PurePosixPath(s.name).suffix.lower() in compressed else 1) for s in sources)
    return min(99_999, max(1, math.ceil(chars * record_bytes / stride_chars / SHARD_BYTES)))


def fingerprint_of(settings: Mapping[str, Any], sources: Sequence[Source]) -> str:
    """SHA-256 of what decides the dataset's bytes."""
    content = [[source.name, source.bytes, source.crc32c] for source in sources]
    return hashlib.sha256(json.dumps([manifest.FORMAT, settings, content]).encode()).hexdigest()


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
