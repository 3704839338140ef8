"""The Beam pipeline from source files to shards, on any runner.

    read and parse -> blocks by partition -> group -> drop duplicates, split, encode, cut, frame, write

All that it writes goes to the folder of one build, under names of chance, and `summary.json` there says what
is what; nothing comes back in memory, so the caller may be on another machine than the workers. A damaged
source does not raise in a worker, where a runner would retry it: it becomes a line under `faults` in the
summary, for the caller to end on.
"""

import contextlib
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.pvalue import AsDict, AsIter, AsSingleton

from preprocessing import files
from preprocessing.errors import InputError
from preprocessing.reading import Read
from preprocessing.shards import Cut
from preprocessing.sources import Part
from preprocessing.summary import Counts
from preprocessing.vocabulary import Vocabulary, covering
from preprocessing.writing import WriteShards, write_rejected

SUMMARY = "summary.json"
MISTAKE = re.compile(r"InputError: (.*?)(?: \[while running .*\])?$")
# Errors of disks, networks and object stores, by the names of their classes.
WORLD = re.compile(
    r"(RuntimeError: )?(?P<what>(\w+\.)*"
    r"(OSError|ServiceUnavailable|InternalServerError|BadGateway|TooManyRequests"
    r"|\w*(Connect|Timeout|BeamIO|FileNotFound|Permission|BrokenPipe|Transport|Retry|Chunked|SSL)\w*): .*)"
)


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
    cut: Cut
    vocabulary: Vocabulary | None
    shard_count: int
    partitions: int


def run(plan: Plan, options: Sequence[str] = ()) -> None:
    """Runs the pipeline and waits for it.

    Raises InputError for an option that Beam does not know, or with which it would not run to its end; OSError for
    a fault of a worker's disk or network.
    """
    parsed = _parsed(options)
    local = [url for url in (plan.folder, *(part.url for part in plan.parts)) if not url.startswith("gs://")]
    if "Dataflow" in str(parsed.view_as(StandardOptions).runner) and local:
        raise InputError(f"{local[0]}: on this machine, where Dataflow's workers are not; expected gs://bucket/path")
    try:
        # A worker prints the traceback that the exception brings along as well.
        with contextlib.redirect_stderr(io.StringIO()), _pipeline(parsed) as pipeline:
            _add_steps(pipeline, plan)
    except InputError:
        raise
    except Exception as error:
        # A worker's error comes as a text, its traceback before it.
        last = str(error).strip().rpartition("\n")[2]
        if mistake := MISTAKE.search(last):
            raise InputError(mistake[1]) from None
        if fault := WORLD.match(last):
            raise OSError(fault["what"]) from error
        raise


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


def _parsed(options: Sequence[str]) -> PipelineOptions:
    """Beam itself would only warn of a misspelt option and go on without it."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            parsed = PipelineOptions(list(options))
            parsed.get_all_options()
    except SystemExit:  # argparse's way, after a usage text of a hundred lines
        raise InputError(said.getvalue().strip().rpartition("\n")[2].partition("error: ")[2]) from None
    given = parsed.get_all_options(drop_default=True, retain_unknown_options=True)
    unknown = sorted(given.keys() - parsed.get_all_options(drop_default=True).keys())
    if unknown:
        raise InputError(f"unknown option --{unknown[0]}: expected --set key=value or an option of Beam's")
    for option in ("no_wait_until_finish", "template_location", "output_executable_path", "dry_run"):
        if given.get(option):
            raise InputError(f"--{option}: the job has to run to its end, where the manifest is written")
    return parsed


def _pipeline(options: PipelineOptions) -> beam.Pipeline:
    try:
        return beam.Pipeline(options=options)
    except ValueError as error:  # no such runner, or none without an option that is missing
        raise InputError(str(error)) from None


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
    with files.create(folder, SUMMARY) as stream:
        stream.write(json.dumps(summary).encode())
