"""What decides a dataset's bytes: its settings and its sources, known before a review is read."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from preprocessing.dataset import manifest, records
from preprocessing.dataset.folder import load_vocabulary
from preprocessing.dataset.manifest import Manifest
from preprocessing.dataset.vocabulary import Vocabulary
from preprocessing.errors import InputError
from preprocessing.pipeline.shard_count import shard_count
from preprocessing.pipeline.shards import SPLIT_RULE, WindowSettings
from preprocessing.settings import REQUIRED, STRICT, Url, Urls, key, list_differences
from preprocessing.sources.find import Source, find_sources
from preprocessing.storage.urls import absolute, open_bucket


@dataclass(frozen=True, config=STRICT, kw_only=True)
class PreprocessConfig:
    """Configuration of jobs.preprocess: all that changes a dataset's bytes, and its place."""

    input: Url | Urls = key(
        REQUIRED, "URL or glob, or a list of them: Kaggle's zip, Yelp's tar, JSON lines, CSV, {review}{review} text"
    )
    output: Url = key(REQUIRED, "URL of the dataset's folder")
    window_chars: int = key(256, "characters that a window predicts; a record holds one more", ge=2, le=65536)
    stride_chars: int = key(
        256, "characters between the starts of two windows; window_chars: each character once", ge=1, le=65536
    )
    vocabulary: Url = key(
        "seed", "seed (61 symbols), auto (symbols that occur 10 times in a million or more), or URL of a symbol table"
    )
    lowercase: bool = key(True, "lower-case all reviews; the seed's vocabulary has no capitals")
    validation_fraction: float = key(0.05, "share of the reviews for validation after each epoch", gt=0, le=0.5)
    test_fraction: float = key(0.05, "share of the reviews that training never sees", ge=0, le=0.5)
    replace: bool = key(True, "false: keep a complete dataset at output, whatever the reviews and settings are now")
    shards: Literal["auto"] | Annotated[int, Field(ge=1, le=99999)] = key(
        "auto", "training shards; auto: about 32 MiB of records each; a worker holds one shard's reviews, or 32 MiB"
    )


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The `settings` are the manifest's; `vocabulary` is None where the reviews decide it."""

    window_settings: WindowSettings
    vocabulary: Vocabulary | None
    settings: Mapping[str, Any]
    shard_rule: str
    sources: list[Source]

    @cached_property
    def fingerprint(self) -> str:
        """The manifest's: that of the same sources with the same settings."""
        return manifest.fingerprint_of(self.settings, described(self.sources))


def read_recipe(config: PreprocessConfig) -> Recipe:
    """The recipe of the dataset that the configuration asks for, with the sources as they are now.

    InputError for settings that exclude each other, and for what sources.find cannot take.
    """
    if config.stride_chars > config.window_chars:
        raise InputError(
            f"stride_chars={config.stride_chars}: expected at most window_chars={config.window_chars}, "
            "or characters between the windows would be lost"
        )
    if config.validation_fraction + config.test_fraction >= 1:
        raise InputError(
            f"validation_fraction={config.validation_fraction}, test_fraction={config.test_fraction}: "
            "expected less than 1 together, or nothing would be left to train on"
        )
    vocabulary = load_vocabulary(config.vocabulary)
    sources = read_sources(config)
    names = [field.name for field in dataclasses.fields(WindowSettings)]
    windows = WindowSettings(**{name: getattr(config, name) for name in names})
    record_bytes = _estimate_record_bytes(windows, vocabulary)
    shards, shard_rule = shard_count(config.shards, sources, record_bytes, windows.stride_chars)
    settings = dataclasses.asdict(windows) | {
        "vocabulary": vocabulary.symbols if vocabulary else "auto",
        "split_rule": SPLIT_RULE,
        "shards": shards,
    }
    return Recipe(windows, vocabulary, settings, shard_rule, sources)


def read_sources(config: PreprocessConfig) -> list[Source]:
    """The input as it is now, but for the output's own manifest, which a glob may find."""
    own = absolute(f"{open_bucket(config.output).url}/{manifest.NAME}")
    return [source for source in find_sources(config.input) if absolute(source.url) != own]


def _estimate_record_bytes(windows: WindowSettings, vocabulary: Vocabulary | None) -> int:
    """Return the dataset's record_bytes. `auto` is assumed to find 256 symbols at most."""
    return records.record_bytes((windows.window_chars + 1) * (vocabulary.dtype.itemsize if vocabulary else 1))


def described(sources: Sequence[Source]) -> list[dict[str, Any]]:
    """What the manifest says of the sources: not where they were."""
    return [{"name": source.name, "bytes": source.bytes, "crc32c": source.crc32c} for source in sources]


def changes(old: Manifest, settings: Mapping[str, Any], sources: Sequence[Source]) -> str:
    """What is no longer as it was for the dataset that stands there, in words."""
    before = {source["name"]: (source["bytes"], source["crc32c"]) for source in old.sources}
    after = {source.name: (source.bytes, source.crc32c) for source in sources}
    changed = list_differences(old.settings, settings)
    changed += [f"{name} is new" for name in sorted(after.keys() - before.keys())]
    changed += [f"{name} is no longer read" for name in sorted(before.keys() - after.keys())]
    changed += [f"{name} has changed" for name in sorted(after.keys() & before.keys()) if after[name] != before[name]]
    return "; ".join(changed) or "a shard is missing or damaged"
