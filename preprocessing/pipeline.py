"""The Beam pipeline from source files to shards, on any runner.

    read and parse -> key by shard -> group -> drop duplicates, split, encode, cut, frame, write

It leaves in the output folder `{split}-*-{tag}.tfrecord`, `rejected/{tag}-*.jsonl` and `summary-{tag}.json`;
nothing comes back in memory, so the caller may be on another machine than the workers. Each file is written
under a name that ends in .partial and then renamed. A damaged source does not raise in a worker, where a
runner would retry it: it becomes a line under `faults` in the summary, for the caller to end on.
"""

import hashlib
import json
import logging
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pvalue import AsIter, AsSingleton, TaggedOutput

from preprocessing import shards, sources
from preprocessing.errors import InputError
from preprocessing.shards import Cut, Keyed
from preprocessing.vocabulary import Vocabulary, covering

log = logging.getLogger(__name__)

LOG_SECONDS = 10
PARTIAL = ".partial"
REJECTED_LINES = 100_000  # source lines that one file under rejected/ answers for, so that none outgrows memory

Count = tuple[str, ...]  # what is counted: ("read",), ("rejected", reason), ("dropped", symbol), (split, what)


def run(
    *,
    urls: Sequence[str],
    names: Sequence[str],
    output: str,
    tag: str,
    cut: Cut,
    vocabulary: Vocabulary | None,
    shard_count: int,
    options: Sequence[str] = (),
) -> None:
    """Runs the pipeline and waits for it.

    `names` stand for the `urls` in rejected/; `tag` ends the names of what is written; no vocabulary: `auto`.
    Raises InputError for an option that Beam does not know.
    """
    with beam.Pipeline(options=_parsed(options)) as pipeline:
        files = pipeline | "sources" >> beam.Create(list(enumerate(zip(urls, names, strict=True))))
        read = (
            files
            | "one bundle a file" >> beam.Reshuffle()
            | "read and parse"
            >> beam.ParDo(Read(count_symbols=vocabulary is None, lowercase=cut.lowercase)).with_outputs(main="reviews")
        )
        symbols = _vocabulary(pipeline, read.symbols, vocabulary)
        written = (
            read.reviews
            | "key by shard" >> beam.Map(lambda review: (review.shard(shard_count), review))
            | "group" >> beam.GroupByKey()
            | "write shards"
            >> beam.ParDo(
                WriteShards(output=output, tag=tag, names=names, cut=cut, shard_count=shard_count),
                AsSingleton(symbols),
            ).with_outputs(main="shards")
        )
        _ = (
            (read.rejected, written.rejected)
            | "all rejected" >> beam.Flatten()
            | "key by source" >> beam.Map(lambda row: ((row[0], row[1] // REJECTED_LINES), row))
            | "group rejected" >> beam.GroupByKey()
            | "write rejected" >> beam.Map(write_rejected, output=output, tag=tag, names=names)
        )
        counts = (read.counts, written.counts) | "all counts" >> beam.Flatten() | "add up" >> beam.CombineGlobally(_sum)
        _ = (
            pipeline
            | "one summary" >> beam.Create([(output, summary_name(tag))])
            | "write summary"
            >> beam.Map(
                write_summary,
                AsSingleton(counts),
                AsSingleton(symbols),
                AsIter(written.shards),
                AsIter(read.faults),
            )
        )


def _parsed(options: Sequence[str]) -> PipelineOptions:
    """Beam itself would only warn of a misspelt option and go on without it."""
    parsed = PipelineOptions(list(options))
    given = parsed.get_all_options(drop_default=True, retain_unknown_options=True)
    unknown = sorted(given.keys() - parsed.get_all_options(drop_default=True).keys())
    if unknown:
        raise InputError(f"unknown option --{unknown[0]}: expected --set key=value or an option of Beam's")
    return parsed


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


def summary_name(tag: str) -> str:
    """The file in which the pipeline says what it did."""
    return f"summary-{tag}.json"


class Read(beam.DoFn):
    """A source file into Keyed reviews; `rejected`: (source, line, reason); `counts`, `symbols`, `faults`."""

    def __init__(self, *, count_symbols: bool, lowercase: bool) -> None:
        self._count_symbols, self._lowercase = count_symbols, lowercase

    def process(self, file: tuple[int, tuple[str, str]]) -> Iterator[Any]:
        source, (url, name) = file
        counts: Counter[Count] = Counter()
        symbols: Counter[str] = Counter()
        shown = time.monotonic()
        try:
            with FileSystems.open(url, compression_type=CompressionTypes.UNCOMPRESSED) as stream:
                for found in sources.read(stream, name=name):
                    counts["read",] += 1
                    if found.line % 1000 == 0 and time.monotonic() > shown + LOG_SECONDS:
                        shown = time.monotonic()
                        log.info("%s: line %d", name, found.line)
                    if isinstance(found, sources.Rejected):
                        counts["rejected", found.reason] += 1
                        yield TaggedOutput("rejected", (source, found.line, found.reason))
                        continue
                    if self._count_symbols:
                        symbols.update(found.text.lower() if self._lowercase else found.text)
                    yield shards.keyed(identity=found.id, text=found.text, source=source, line=found.line)
        except InputError as error:
            yield TaggedOutput("faults", str(error))
        yield TaggedOutput("counts", counts)
        yield TaggedOutput("symbols", symbols)


class WriteShards(beam.DoFn):
    """The reviews of one shard number into a file for each split; `shards`: what was written."""

    def __init__(self, *, output: str, tag: str, names: Sequence[str], cut: Cut, shard_count: int) -> None:
        self._output, self._tag, self._names = output, tag, names
        self._cut, self._shard_count = cut, shard_count

    def process(self, group: tuple[int, Iterable[Keyed]], vocabulary: Vocabulary) -> Iterator[Any]:
        number, reviews = group
        counts: Counter[Count] = Counter()
        kept: dict[str, list[Keyed]] = {}
        for review, original in shards.without_duplicates(reviews):
            if original is None:
                kept.setdefault(shards.split_of(review.id_key, self._cut), []).append(review)
            else:
                counts["duplicate",] += 1
                place = f"{self._names[original.source]} line {original.line}"
                yield TaggedOutput("rejected", (review.source, review.line, f"same text as {place}"))
        for split in sorted(kept):
            encoded = shards.encode(kept[split], vocabulary, lowercase=self._cut.lowercase)
            for review in encoded.empty:
                counts["rejected", "no symbol of the vocabulary"] += 1
                yield TaggedOutput("rejected", (review.source, review.line, "no symbol of the vocabulary"))
            stayed = len(kept[split]) - len(encoded.empty)
            counts["kept",] += stayed
            counts.update({("dropped", symbol): count for symbol, count in encoded.dropped.items()})
            counts[split, "reviews"] += stayed
            counts[split, "characters"] += len(encoded.ids)
            counts[split, "tail"] += shards.tail_chars(len(encoded.ids), self._cut)
            name = shards.shard_name(split, number, self._shard_count, self._tag)
            size, digest = write(self._output, name, shards.cut_and_frame(encoded.ids, self._cut))
            if size:
                yield {"name": name, "split": split, "bytes": size, "sha256": digest}
        yield TaggedOutput("counts", counts)


def write(folder: str, name: str, chunks: Iterable[bytes]) -> tuple[int, str]:
    """Writes a file whole or not at all; its size and SHA-256. None is written if there is nothing in it."""
    final = FileSystems.join(folder, name)
    partial = f"{final}.{uuid.uuid4().hex}{PARTIAL}"
    size, digest, stream = 0, hashlib.sha256(), None
    try:
        for chunk in chunks:
            stream = stream or FileSystems.create(partial, compression_type=CompressionTypes.UNCOMPRESSED)
            stream.write(chunk)
            digest.update(chunk)
            size += len(chunk)
    finally:
        if stream:
            stream.close()
    if size:
        FileSystems.rename([partial], [final])
    return size, digest.hexdigest()


def write_rejected(
    group: tuple[tuple[int, int], Iterable[tuple[int, int, str]]], *, output: str, tag: str, names: Sequence[str]
) -> None:
    """One file of rejected lines: source, line number and reason, in the order of the lines."""
    (source, part), rows = group
    lines = (
        json.dumps({"source": names[row[0]], "line": row[1], "reason": row[2]}, ensure_ascii=False) + "\n"
        for row in sorted(rows)
    )
    write(output, f"rejected/{tag}-{source:03}-{part:05}.jsonl", ["".join(lines).encode()])


def write_summary(
    place: tuple[str, str],
    counts: Counter[Count],
    vocabulary: Vocabulary,
    written: Iterable[dict],
    faults: Iterable[str],
) -> None:
    """What the caller needs for the manifest, in one file."""
    summary = {
        "counts": sorted([list(key), count] for key, count in counts.items()),
        "vocabulary": vocabulary.symbols,
        "shards": sorted(written, key=lambda shard: shard["name"]),
        "faults": sorted(faults),
    }
    write(*place, [json.dumps(summary).encode()])
