"""What decides a dataset's bytes: its settings and its sources, known before a review is read."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from preprocessing.dataset import manifest, records
from preprocessing.dataset.vocabulary import Vocabulary
from preprocessing.errors import InputError
from preprocessing.pipeline.shard_count import shard_count
from preprocessing.pipeline.shards import SPLIT_RULE, Cut
from preprocessing.sources.find import Source, described, find, load_vocabulary
from preprocessing.storage.urls import absolute, open_bucket
from trainer import config as schema


@dataclass(frozen=True)
class Recipe:
    """The `settings` are the manifest's; `vocabulary` is None where the reviews decide it."""

    cut: Cut
    vocabulary: Vocabulary | None
    settings: Mapping[str, Any]
    shard_rule: str
    sources: list[Source]

    @cached_property
    def fingerprint(self) -> str:
        """The manifest's: that of the same sources with the same settings."""
        return manifest.fingerprint_of(self.settings, described(self.sources))


def read_recipe(config: schema.Preprocess) -> Recipe:
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
    cut = Cut(**{field.name: getattr(config, field.name) for field in dataclasses.fields(Cut)})
    shards, shard_rule = shard_count(config.shards, sources, _record_bytes(cut, vocabulary), cut.stride_chars)
    settings = dataclasses.asdict(cut) | {
        "vocabulary": vocabulary.symbols if vocabulary else "auto",
        "split_rule": SPLIT_RULE,
        "shards": shards,
    }
    return Recipe(cut, vocabulary, settings, shard_rule, sources)


def read_sources(config: schema.Preprocess) -> list[Source]:
    """The input as it is now, but for the output's own manifest, which a glob may find."""
    own = absolute(f"{open_bucket(config.output).url}/{manifest.NAME}")
    return [source for source in find(config.input) if absolute(source.url) != own]


def _record_bytes(cut: Cut, vocabulary: Vocabulary | None) -> int:
    """Of the dataset to be; `auto` is taken to find 256 symbols at most."""
    return records.record_bytes((cut.window_chars + 1) * (vocabulary.dtype.itemsize if vocabulary else 1))
