"""The recipe of a dataset: the settings and sources that decide its bytes, known before a review is read."""

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
from preprocessing.sources.review import DEFAULT_COLUMNS, Columns
from preprocessing.storage.urls import absolute, open_bucket


@dataclass(frozen=True, config=STRICT, kw_only=True)
class PreprocessConfig:
    """Configuration of jobs.preprocess: all that decides a dataset's bytes, and its URL."""

    input: Url | Urls = key(
        REQUIRED, "URL or glob, or a list of them: Kaggle's zip, Yelp's tar, JSON lines, CSV, {review}{review} text"
    )
    output: Url = key(REQUIRED, "URL of the dataset's folder")
    text_column: str = key(DEFAULT_COLUMNS.text, "column of a table, or key of a JSON object, that holds the review")
    id_column: str = key(
        DEFAULT_COLUMNS.id, "column or key that holds the review's id, from which its split comes; may be missing"
    )
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
    max_rejected_fraction: float = key(
        0.5,
        "share of a file's lines that may be no reviews; a file with more is refused, and so is one without any",
        ge=0,
        le=1,
    )
    shards: Literal["auto"] | Annotated[int, Field(ge=1, le=99999)] = key(
        "auto", "training shards; auto: about 32 MiB of records each; a worker holds one shard's reviews, or 32 MiB"
    )


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A dataset's recipe.

    vocabulary: None for `auto`. settings: as in the manifest.
    """

    window_settings: WindowSettings
    vocabulary: Vocabulary | None
    settings: Mapping[str, Any]
    shard_rule: str
    sources: list[Source]
    columns: Columns

    @cached_property
    def fingerprint(self) -> str:
        """The manifest's fingerprint. The same sources with the same settings have the same fingerprint."""
        return manifest.fingerprint_of(self.settings, describe_sources(self.sources))


def read_recipe(config: PreprocessConfig) -> Recipe:
    """Return the recipe for a configuration and its sources as they are now.

    Raises InputError for settings that exclude each other, and for sources as `find_sources` does.
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
    columns = Columns(config.text_column, config.id_column)
    if columns != DEFAULT_COLUMNS:  # else the fingerprint is that of older versions
        settings |= {"text_column": columns.text, "id_column": columns.id}
    return Recipe(windows, vocabulary, settings, shard_rule, sources, columns)


def read_sources(config: PreprocessConfig) -> list[Source]:
    """Return the input's sources as they are now, without the output's own manifest, which a glob may match."""
    output_manifest = absolute(f"{open_bucket(config.output).url}/{manifest.NAME}")
    return [source for source in find_sources(config.input) if absolute(source.url) != output_manifest]


def _estimate_record_bytes(windows: WindowSettings, vocabulary: Vocabulary | None) -> int:
    """Return the dataset's record_bytes. `auto` is assumed to find 256 symbols at most."""
    return records.record_bytes((windows.window_chars + 1) * (vocabulary.dtype.itemsize if vocabulary else 1))


def describe_sources(sources: Sequence[Source]) -> list[dict[str, Any]]:
    """Return the sources as the manifest has them, without their URLs."""
    return [{"name": source.name, "bytes": source.bytes, "crc32c": source.crc32c} for source in sources]


def describe_changes(old: Manifest, settings: Mapping[str, Any], sources: Sequence[Source]) -> str:
    """Describe the differences between a dataset and new settings and sources, in one line."""
    before = {source["name"]: (source["bytes"], source["crc32c"]) for source in old.sources}
    after = {source.name: (source.bytes, source.crc32c) for source in sources}
    changed = list_differences(old.settings, settings)
    changed += [f"{name} is new" for name in sorted(after.keys() - before.keys())]
    changed += [f"{name} is no longer read" for name in sorted(before.keys() - after.keys())]
    changed += [f"{name} has changed" for name in sorted(after.keys() & before.keys()) if after[name] != before[name]]
    return "; ".join(changed) or "a shard is missing or damaged"
