"""The Beam pipeline from source files to shards, on any runner.

    read and parse -> blocks by partition -> group -> drop duplicates, split, encode, cut, frame, write

All files go to the folder of one build, under random names. `summary.json` there, written last, says which shard
or rejected file each is. Nothing comes back in memory, so the workers may be on other machines than the caller.
A damaged source does not raise in a worker, where a runner would retry it. Its message stands under `faults` in
the summary, and the caller raises it.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsDict, AsIter, AsSingleton

from preprocessing.dataset.vocabulary import Vocabulary, build_vocabulary
from preprocessing.pipeline.beam import run_pipeline
from preprocessing.pipeline.read import ReadPart
from preprocessing.pipeline.shards import WindowSettings
from preprocessing.pipeline.summary import PipelineCounts
from preprocessing.pipeline.write import WriteShards, write_rejected
from preprocessing.sources.reader import FilePart
from preprocessing.storage.streams import create_stream

PIPELINE_SUMMARY = "summary.json"


@dataclass(frozen=True)
class PipelineSettings:
    """The pipeline's input, output and settings.

    names: each source's name under rejected/.
    folder: URL of the folder to which all files are written.
    tag: the end of each file's name in the summary.
    vocabulary: None for `auto`.
    """

    parts: Sequence[FilePart]
    names: Sequence[str]
    folder: str
    tag: str
    window_settings: WindowSettings
    vocabulary: Vocabulary | None
    shard_count: int
    partition_count: int


def run_graph(settings: PipelineSettings, options: Sequence[str] = ()) -> None:
    """Run the pipeline with Beam's `options` to its end. Raises as `run_pipeline` does."""
    urls = [settings.folder, *(part.url for part in settings.parts)]
    run_pipeline(lambda pipeline: _add_steps(pipeline, settings), options, urls=urls)


def _add_steps(pipeline: beam.Pipeline, settings: PipelineSettings) -> None:
    read = _add_reading(pipeline, settings)
    vocabulary = _add_vocabulary(pipeline, read.symbols, settings.vocabulary)
    written = _add_writing(read.blocks, vocabulary, settings)
    destination = {"folder": settings.folder, "tag": settings.tag, "names": settings.names}
    rejected = (
        (read.rejected, written.rejected)
        | "all rejected" >> beam.Flatten()
        | "group rejected" >> beam.GroupByKey()
        | "write rejected" >> beam.Map(write_rejected, AsDict(read.lines), **destination)
    )
    counts = (read.counts, written.counts) | "all counts" >> beam.Flatten() | "add up" >> beam.CombineGlobally(_sum)
    _ = (
        pipeline
        | "one summary" >> beam.Create([settings.folder])
        | "write summary"
        >> beam.Map(
            write_pipeline_summary,
            AsSingleton(counts),
            AsSingleton(vocabulary),
            AsIter(written.shards),
            AsIter(rejected),
            AsIter(read.faults),
            AsIter(read.checksums),
        )
    )


def _add_reading(pipeline: beam.Pipeline, settings: PipelineSettings) -> Any:
    """Read and parse the sources. Return blocks of reviews, with the other outputs of ReadPart."""
    return (
        pipeline
        | "parts" >> beam.Create(settings.parts)
        | "one bundle a part" >> beam.Reshuffle()
        | "read and parse"
        >> beam.ParDo(
            ReadPart(
                folder=settings.folder,
                count_symbols=settings.vocabulary is None,
                lowercase=settings.window_settings.lowercase,
                shard_count=settings.shard_count,
                partition_count=settings.partition_count,
            )
        ).with_outputs(main="blocks")
    )


def _add_writing(blocks: Any, vocabulary: Any, settings: PipelineSettings) -> Any:
    """Write the blocks of each partition to its shards. Return shards, with rejected and counts."""
    write_shards = WriteShards(
        folder=settings.folder,
        tag=settings.tag,
        settings=settings.window_settings,
        shard_count=settings.shard_count,
    )
    return (
        blocks
        | "group by partition" >> beam.GroupByKey()
        | "write shards" >> beam.ParDo(write_shards, AsSingleton(vocabulary)).with_outputs(main="shards")
    )


def _add_vocabulary(pipeline: Any, symbol_counts: Any, vocabulary: Vocabulary | None) -> Any:
    """Return a collection of one Vocabulary: the vocabulary, or the vocabulary of all texts if it is None."""
    if vocabulary is not None:
        return pipeline | "vocabulary" >> beam.Create([vocabulary])
    return symbol_counts | "count symbols" >> beam.CombineGlobally(_sum) | "vocabulary" >> beam.Map(build_vocabulary)


def _sum(counters: Iterable[Counter]) -> Counter:
    total: Counter = Counter()
    for counter in counters:
        total.update(counter)
    return total


def write_pipeline_summary(
    folder: str,
    counts: PipelineCounts,
    vocabulary: Vocabulary,
    shards: Iterable[dict],
    rejected: Iterable[dict],
    faults: Iterable[str],
    checksums: Iterable[tuple[int, int, int, int]],
) -> None:
    """Write the pipeline's results for its caller to one file."""
    summary = {
        "counts": sorted([list(key), count] for key, count in counts.items()),
        "vocabulary": vocabulary.symbols,
        "shards": sorted(shards, key=lambda shard: shard["name"]),
        "rejected": sorted(rejected, key=lambda file: file["name"]),
        "faults": sorted(faults),
        "checksums": sorted(checksums),
    }
    with create_stream(folder, PIPELINE_SUMMARY) as stream:
        stream.write(json.dumps(summary).encode())
