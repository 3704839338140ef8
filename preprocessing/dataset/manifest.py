"""manifest.json, the description of a dataset. It is written last: a folder without it is no complete dataset."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field, with_config

from preprocessing.dataset.records import record_bytes
from preprocessing.dataset.vocabulary import Vocabulary
from preprocessing.json_format import FORBID_UNKNOWN_KEYS, Count, PositiveCount, encode_json, has_fields_of, parse_json

FORMAT = 1
NAME = "manifest.json"
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class _Settings:
    lowercase: bool  # the other settings differ between versions


@dataclass(frozen=True)
class _Source:
    name: str
    bytes: int
    crc32c: str


@dataclass(frozen=True)
class _Counts:
    read: Count
    kept: Count
    duplicate: Count
    rejected: Mapping[str, Count]
    dropped: Mapping[str, Count]


@dataclass(frozen=True)
class _SplitCounts:
    reviews: Count
    characters: Count
    tail: Count
    windows: Count


@dataclass(frozen=True)
class _Splits:
    train: _SplitCounts
    validation: _SplitCounts
    test: _SplitCounts


@with_config(FORBID_UNKNOWN_KEYS)
@dataclass(frozen=True)
class Shard:
    """A TFRecord file. Record k starts at k * record_bytes."""

    name: Annotated[str, Field(pattern=r"^[^./][^/]*$")]
    split: Annotated[str, Field(pattern=f"^({'|'.join(SPLITS)})$")]
    records: Count
    bytes: Count
    sha256: str
    crc32c: str  # of the whole file, in base64, as Cloud Storage reports it


@with_config(FORBID_UNKNOWN_KEYS)
@dataclass(frozen=True)
class Manifest:
    """All that a reader of the dataset needs to know, and the count of lines by their outcome.

    shard_rule: the rule for the number of training shards, in words.
    counts: `read` = `kept` + `duplicate` + the sum of `rejected` by reason; `dropped` by symbol.
    splits: each split's reviews, characters, windows, and `tail`: characters in no window.
    """

    format: Annotated[int, Field(ge=FORMAT)]
    fingerprint: str
    settings: Annotated[Mapping[str, Any], has_fields_of(_Settings)]
    sources: tuple[Annotated[Mapping[str, Any], has_fields_of(_Source)], ...]
    shard_rule: str
    vocabulary: str
    window_chars: PositiveCount
    stride_chars: PositiveCount
    dtype: str
    record_bytes: PositiveCount
    counts: Annotated[Mapping[str, Any], has_fields_of(_Counts)]
    splits: Annotated[Mapping[str, Mapping[str, int]], has_fields_of(_Splits)]
    shards: tuple[Shard, ...]

    def shards_of(self, split: str) -> tuple[Shard, ...]:
        """Return the split's shards in the order of their names."""
        return tuple(shard for shard in self.shards if shard.split == split)

    @property
    def rejected(self) -> int:
        """The number of rejected lines, all reasons together."""
        return sum(self.counts["rejected"].values())

    @property
    def accounted_for(self) -> int:
        """The number of lines kept, duplicate or rejected. Unless it equals `read`, lines were lost."""
        total: int = self.counts["kept"] + self.counts["duplicate"] + self.rejected
        return total

    def symbols(self) -> Vocabulary:
        """Return the vocabulary of the ids in the records."""
        return Vocabulary(self.vocabulary)

    def id_dtype(self) -> np.dtype[Any]:
        """Return the dtype of an id in a record."""
        return np.dtype(self.dtype).newbyteorder("<")

    def to_json(self) -> bytes:
        """Return the file's bytes. The same dataset gives the same bytes."""
        return encode_json(self)


def fingerprint_of(settings: Mapping[str, Any], sources: Sequence[Mapping[str, Any]]) -> str:
    """Return the SHA-256 of a dataset's settings and its sources' names, sizes and CRCs. They decide its bytes."""
    return hashlib.sha256(json.dumps([FORMAT, settings, sources]).encode()).hexdigest()


def parse_manifest(data: bytes, *, where: str) -> Manifest:
    """Return the manifest in a file's bytes. Raises InputError, which names `where`, for a damaged or newer file."""
    return parse_json(
        Manifest, data, what="a dataset's manifest", where=where, newest_format=FORMAT, check=_check_consistency
    )


def _check_consistency(manifest: Manifest) -> None:
    dtype = manifest.symbols().dtype
    if manifest.dtype != dtype.name:
        raise ValueError(f"dtype={manifest.dtype}, expected {dtype.name}")
    size = record_bytes((manifest.window_chars + 1) * dtype.itemsize)
    if manifest.record_bytes != size:
        raise ValueError(
            f"record_bytes={manifest.record_bytes}, expected {size} for windows of {manifest.window_chars} characters"
        )
    for shard in manifest.shards:
        if shard.bytes != shard.records * size:
            raise ValueError(f"shard {shard.name}: {shard.records} records do not make {shard.bytes} bytes")
    for split in SPLITS:
        windows = sum(shard.records for shard in manifest.shards_of(split))
        if manifest.splits[split]["windows"] != windows:
            raise ValueError(f"{split}: {manifest.splits[split]['windows']} windows, its shards hold {windows}")
