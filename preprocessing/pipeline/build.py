"""Build a dataset: reuse the published dataset, or build and publish a new one."""

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from preprocessing.dataset.manifest import Manifest
from preprocessing.errors import Conflict, InputError, Stopped
from preprocessing.pipeline.publish import DatasetBuild, read_complete_manifest
from preprocessing.pipeline.recipe import (
    PreprocessConfig,
    Recipe,
    describe_changes,
    describe_sources,
    read_recipe,
    read_sources,
)
from preprocessing.pipeline.rejected import describe_first_rejected, rejected_file_name
from preprocessing.pipeline.shard_count import partition_count
from preprocessing.pipeline.summary import build_manifest, check_counts, find_rejected_source
from preprocessing.sources.find import Source, split_sources
from preprocessing.storage.checksum import encode_crc32c
from preprocessing.storage.read_checksum import join_crc32c
from preprocessing.storage.urls import absolute, open_bucket

log = logging.getLogger(__name__)


def build_dataset(config: PreprocessConfig, beam_options: Sequence[str] = ()) -> Manifest | None:
    """Build the dataset and return its manifest, or return None if the dataset is there already.

    Raises InputError for input that makes no dataset, and Conflict if another process published another dataset
    meanwhile. On Stopped and on any exception, the output holds the dataset that was there before.
    """
    output = open_bucket(config.output)
    published = None if config.replace else read_complete_manifest(output)
    if published:
        log.info("%s: kept, as replace=false; %s", config.output, _compare(published, config))
        return None
    recipe = read_recipe(config)
    build = DatasetBuild(output, recipe.fingerprint)
    if build.is_done():
        log.info("%s: the dataset of these sources and settings is there already: nothing to do", config.output)
        build.sweep()
        return None
    if build.published:
        log.info("%s: %s", config.output, describe_changes(build.published, recipe.settings, recipe.sources))
    megabytes = sum(source.bytes for source in recipe.sources) / 1e6
    log.info("%s: reading %d file(s), %.1f MB", config.input, len(recipe.sources), megabytes)
    try:
        build.open()
        manifest, files = _run_pipeline(build, recipe, beam_options, max_rejected=config.max_rejected_fraction)
        if read_sources(config) != recipe.sources:
            raise OSError(f"{config.input}: changed while it was read")
        build.publish(manifest, files)
    except Stopped:
        build.clear()
        raise
    except Exception as error:
        with suppress(OSError):  # a store that is down answers nothing: the next build clears up
            build.clear()
            if not isinstance(error, InputError) and _is_built_elsewhere(build, config.output):
                return None
        raise
    build.clear()
    return manifest


def _is_built_elsewhere(build: DatasetBuild, url: str) -> bool:
    """Return whether another process has built the same dataset meanwhile. Raises Conflict for another dataset."""
    if DatasetBuild(open_bucket(url), build.fingerprint).is_done():
        log.info("%s: another process has built the same dataset meanwhile", url)
        return True
    if build.was_overtaken():
        raise Conflict(f"{url}: another process published a dataset during this build")
    return False


def _compare(published: Manifest, config: PreprocessConfig) -> str:
    """Return the difference between the published dataset and the configuration, whose input may be gone."""
    try:
        recipe = read_recipe(config)
    except InputError as error:
        return str(error)
    if recipe.fingerprint == published.fingerprint:
        return "its sources and settings are the same"
    return describe_changes(published, recipe.settings, recipe.sources)


def _run_pipeline(
    build: DatasetBuild, recipe: Recipe, beam_options: Sequence[str], *, max_rejected: float
) -> tuple[Manifest, list[dict[str, str]]]:
    """Run the pipeline and check its counts. Return the manifest and the files of the dataset."""
    from preprocessing.pipeline import graph  # Beam takes a second to import: first check everything else

    sources, shards = recipe.sources, recipe.settings["shards"]
    settings = graph.PipelineSettings(
        parts=split_sources(sources, recipe.columns),
        names=[source.name for source in sources],
        folder=absolute(build.url),
        tag=build.fingerprint[:8],
        window_settings=recipe.window_settings,
        vocabulary=recipe.vocabulary,
        shard_count=shards,
        partition_count=partition_count(sources, shards),
    )
    graph.run_graph(settings, beam_options)
    summary = json.loads(build.read(graph.PIPELINE_SUMMARY))
    _require_same_bytes(summary["checksums"], sources)
    if summary["faults"]:
        raise InputError(summary["faults"][0])
    _require_reviews(build, summary, recipe, limit=max_rejected)
    manifest = build_manifest(
        summary,
        settings=recipe.settings,
        shard_rule=recipe.shard_rule,
        fingerprint=build.fingerprint,
        sources=describe_sources(sources),
    )
    check_counts(manifest, where=", ".join(source.name for source in sources[:3]))
    return manifest, [*summary["shards"], *summary["rejected"]]


def _require_reviews(build: DatasetBuild, summary: Mapping[str, Any], recipe: Recipe, *, limit: float) -> None:
    """Raise InputError for a source of which more than `limit` of the lines, or all, are no reviews."""
    names = [source.name for source in recipe.sources]
    found = find_rejected_source(summary, names, limit=limit)
    if found is None:
        return
    number, counts = found
    prefix = rejected_file_name((number, 0, 0), build.fingerprint[:8]).split("-00000-")[0]
    files = (build.read(file["file"]) for file in summary["rejected"] if file["name"].startswith(f"{prefix}-"))
    raise InputError(f"{counts}{describe_first_rejected(files)}; max_rejected_fraction={limit:g}")


def _require_same_bytes(checksums: Sequence[Sequence[int]], sources: Sequence[Source]) -> None:
    """Raise OSError for a source whose bytes were not read as its store holds them.

    checksums: source, part, CRC-32C and length of each part, in order.
    """
    joined = [0] * len(sources)
    for number, _, checksum, length in checksums:
        joined[number] = join_crc32c(joined[number], checksum, length)
    for source, checksum in zip(sources, joined, strict=True):
        if encode_crc32c(checksum) != source.crc32c:
            raise OSError(
                f"{source.url}: arrived damaged, or changed while it was read: CRC-32C {encode_crc32c(checksum)}, "
                f"expected {source.crc32c}"
            )
