"""The Beam pipeline from source files to shards, on any runner.

    read and parse -> blocks by partition -> group -> drop duplicates, split, encode, cut, frame, write

All that it writes goes to the folder of one build, under names of chance, and `summary.json` there says what
is what; nothing comes back in memory, so the caller may be on another machine than the workers. A damaged
source does not raise in a worker, where a runner would retry it: it becomes a line under `faults` in the
summary, for the caller to end on.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsDict, AsIter, AsSingleton

from preprocessing.dataset.vocabulary import Vocabulary, covering
from preprocessing.pipeline.beam import create_file, run_pipeline
from preprocessing.pipeline.read import Read
from preprocessing.pipeline.shards import WindowSettings
from preprocessing.pipeline.summary import Counts
from preprocessing.pipeline.write import WriteShards, write_rejected
from preprocessing.sources.reader import Part

SUMMARY = "summary.json"


@dataclass(frozen=True)
class Plan:
    """What is to be made of what.

    names: stand for the sources in rejected/.
    folder: the URL that all is written to; `tag` ends the names that the summary gives to what is there.
    vocabulary: None for `auto`.
    """

    parts: Sequence[Part]
    names: Sequence[str]
    folder: str
    tag: str
    cut: WindowSettings
    vocabulary: Vocabulary | None
    shard_count: int
    partitions: int


def run(plan: Plan, options: Sequence[str] = ()) -> None:
    """Runs the pipeline and waits for it; raises what `run_pipeline` does."""
    urls = [plan.folder, *(part.url for part in plan.parts)]
    run_pipeline(lambda pipeline: _add_steps(pipeline, plan), options, urls=urls)


def _add_steps(pipeline: beam.Pipeline, plan: Plan) -> None:
    read = (
        pipeline
        | "parts" >> beam.Create(plan.parts)
        | "one bundle a part" >> beam.Reshuffle()
        | "read and parse"
        >> beam.ParDo(
            Read(
                folder=plan.folder,
                count_symbols=plan.vocabulary is None,
                lowercase=plan.cut.lowercase,
                shard_count=plan.shard_count,
                partitions=plan.partitions,
            )
        ).with_outputs(main="blocks")
    )
    symbols = _vocabulary(pipeline, read.symbols, plan.vocabulary)
    written = (
        read.blocks
        | "group by partition" >> beam.GroupByKey()
        | "write shards"
        >> beam.ParDo(
            WriteShards(folder=plan.folder, tag=plan.tag, cut=plan.cut, shard_count=plan.shard_count),
            AsSingleton(symbols),
        ).with_outputs(main="shards")
    )
    rejected = (
        (read.rejected, written.rejected)
        | "all rejected" >> beam.Flatten()
        | "group rejected" >> beam.GroupByKey()
        | "write rejected"
        >> beam.Map(write_rejected, AsDict(read.lines), folder=plan.folder, tag=plan.tag, names=plan.names)
    )
    counts = (read.counts, written.counts) | "all counts" >> beam.Flatten() | "add up" >> beam.CombineGlobally(_sum)
    _ = (
        pipeline
        | "one summary" >> beam.Create([plan.folder])
        | "write summary"
        >> beam.Map(
            write_summary,
            AsSingleton(counts),
            AsSingleton(symbols),
            AsIter(written.shards),
            AsIter(rejected),
            AsIter(read.faults),
        )
    )


def _vocabulary(pipeline: Any, counts: Any, known: Vocabulary | None) -> Any:
    """One Vocabulary: the known one, or the one that covers all texts read."""
    if known is not None:
        return pipeline | "vocabulary" >> beam.Create([known])
    return counts | "count symbols" >> beam.CombineGlobally(_sum) | "vocabulary" >> beam.Map(covering)


def _sum(counters: Iterable[Counter]) -> Counter:
    total: Counter = Counter()
    for counter in counters:
        total.update(counter)
    return total


def write_summary(
    folder: str,
    counts: Counts,
    vocabulary: Vocabulary,
    written: Iterable[dict],
    rejected: Iterable[dict],
    faults: Iterable[str],
) -> None:
    """What the caller needs to know, in one file."""
    summary = {
        "counts": sorted([list(key), count] for key, count in counts.items()),
        "vocabulary": vocabulary.symbols,
        "shards": sorted(written, key=lambda shard: shard["name"]),
        "rejected": sorted(rejected, key=lambda file: file["name"]),
        "faults": sorted(faults),
    }
    with create_file(folder, SUMMARY) as stream:
        stream.write(json.dumps(summary).encode())
