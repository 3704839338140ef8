"""manifest.json: what a dataset holds. It is written last, so a folder without it is not a dataset."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from preprocessing.dataset.records import record_bytes
from preprocessing.dataset.vocabulary import Vocabulary
from preprocessing.errors import InputError

FORMAT = 1
NAME = "manifest.json"
SPLITS = ("train", "validation", "test")
SPLIT_COUNTS = ("reviews", "characters", "tail", "windows")


@dataclass(frozen=True)
class Shard:
    """One TFRecord file: record k lies at k * record_bytes."""

    name: str
    split: str
    records: int
    bytes: int
    sha256: str
    crc32c: str  # of the whole file, in base64 as Cloud Storage gives it


@dataclass(frozen=True)
class Manifest:
    """All that a reader of the dataset needs to know, and what became of each line read.

    shard_rule: why there are as many training shards as there are, in words.
    counts: `read` = `kept` + `duplicate` + the sum of `rejected` by reason; `dropped` by symbol.
    splits: for each split its reviews, characters, windows and the `tail` of characters in no window.
    """

    format: int
    fingerprint: str
    settings: Mapping[str, Any]
    sources: tuple[Mapping[str, Any], ...]
    shard_rule: str
    vocabulary: str
    window_chars: int
    stride_chars: int
    dtype: str
    record_bytes: int
    counts: Mapping[str, Any]
    splits: Mapping[str, Mapping[str, int]]
    shards: tuple[Shard, ...]

    def of(self, split: str) -> tuple[Shard, ...]:
        """The split's shards, in the order of their names."""
        return tuple(shard for shard in self.shards if shard.split == split)

    @property
    def rejected(self) -> int:
        """How many lines were rejected, for whatever reason."""
        return sum(self.counts["rejected"].values())

    @property
    def accounted_for(self) -> int:
        """How many lines became something: as many as were read, or lines were lost."""
        total: int = self.counts["kept"] + self.counts["duplicate"] + self.rejected
        return total

    def symbols(self) -> Vocabulary:
        """The vocabulary whose ids the records hold."""
        return Vocabulary(self.vocabulary)

    def id_dtype(self) -> np.dtype[Any]:
        """The dtype of an id in a record."""
        return np.dtype(self.dtype).newbyteorder("<")

    def to_json(self) -> bytes:
        """The file's bytes, the same for the same dataset."""
        return (json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False) + "\n").encode()


def fingerprint_of(settings: Mapping[str, Any], sources: Sequence[Mapping[str, Any]]) -> str:
    """SHA-256 of what decides the dataset's bytes: its settings and, of each source, name, size and checksum."""
    return hashlib.sha256(json.dumps([FORMAT, settings, sources]).encode()).hexdigest()


def from_json(data: bytes, *, place: str) -> Manifest:
    """The manifest in a file's bytes; InputError, naming `place`, if it is none or of a newer format."""
    try:
        values = json.loads(data)
        found = values["format"]
        if type(found) is int and found > FORMAT:
            raise InputError(f"format {found}, expected at most {FORMAT}: made by a newer version")
        shards = tuple(Shard(**shard) for shard in values.pop("shards"))
        manifest = Manifest(**(values | {"shards": shards, "sources": tuple(values["sources"])}))
        _check(manifest)
    except InputError as error:
        raise InputError(f"{place}: {error}") from None
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise InputError(f"{place}: not a dataset's manifest: {type(error).__name__} {error}") from None
    return manifest


def _check(manifest: Manifest) -> None:
    if type(manifest.format) is not int or manifest.format != FORMAT:
        raise ValueError(f"format={manifest.format!r}, expected {FORMAT}")
    for name in ("window_chars", "stride_chars", "record_bytes"):
        value = getattr(manifest, name)
        if type(value) is not int or value < 1:
            raise ValueError(f"{name}={value!r}, expected a whole number above 0")
    dtype = manifest.symbols().dtype
    if manifest.id_dtype() != dtype:
        raise ValueError(f"dtype={manifest.dtype}, expected {dtype}")
    size = record_bytes((manifest.window_chars + 1) * dtype.itemsize)
    if manifest.record_bytes != size:
        raise ValueError(
            f"record_bytes={manifest.record_bytes}, expected {size} for windows of {manifest.window_chars} characters"
        )
    for shard in manifest.shards:
        if shard.split not in SPLITS or shard.bytes != shard.records * size:
            raise ValueError(f"shard {shard.name}: {shard.records} records do not make {shard.bytes} bytes")
        if not shard.name or "/" in shard.name or shard.name.startswith("."):
            raise ValueError(f"shard {shard.name!r}: expected a file's plain name")
    if type(manifest.settings.get("lowercase")) is not bool:
        raise ValueError("settings: no lowercase")
    counts = manifest.counts
    numbers = {f"counts.{what}": counts[what] for what in ("read", "kept", "duplicate")}
    numbers |= {f"counts.{what}.{key}": n for what in ("rejected", "dropped") for key, n in counts[what].items()}
    for split in SPLITS:
        numbers |= {f"{split}.{what}": manifest.splits[split][what] for what in SPLIT_COUNTS}
    for name, number in numbers.items():
        if type(number) is not int or number < 0:
            raise ValueError(f"{name}={number!r}, expected a whole number")
    for split in SPLITS:
        windows = sum(shard.records for shard in manifest.of(split))
        if manifest.splits[split]["windows"] != windows:
            raise ValueError(f"{split}: {manifest.splits[split]['windows']} windows, its shards hold {windows}")
    texts = [manifest.fingerprint, manifest.shard_rule, manifest.vocabulary]
    texts += [text for shard in manifest.shards for text in (shard.sha256, shard.crc32c)]
    texts += [source[key] for source in manifest.sources for key in ("name", "crc32c")]
    if not all(isinstance(text, str) for text in texts) or any(type(s["bytes"]) is not int for s in manifest.sources):
        raise ValueError("a source or a shard without its name, size or checksum")
