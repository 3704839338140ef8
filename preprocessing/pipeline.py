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
import logging
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.pvalue import AsDict, AsIter, AsSingleton, TaggedOutput

from preprocessing import blocks, files, rejections, shards, sources
from preprocessing.blocks import Gathered
from preprocessing.errors import InputError
from preprocessing.rejections import Key, Rejections
from preprocessing.shards import Cut, Keyed, Place
from preprocessing.sources import Part
from preprocessing.vocabulary import Vocabulary, count_symbols, covering

log = logging.getLogger(__name__)

LOG_SECONDS = 10
SUMMARY = "summary.json"
# Errors of disks, networks and object stores, by the names of their classes.
WORLD = re.compile(
    r"(RuntimeError: )?(?P<what>(\w+\.)*"
    r"(OSError|ServiceUnavailable|InternalServerError|BadGateway|TooManyRequests"
    r"|\w*(Connect|Timeout|BeamIO|FileNotFound|Permission|BrokenPipe|Transport|Retry|Chunked|SSL)\w*): .*)"
)
COUNTED_REVIEWS = 1000  # whose symbols are counted at once

Count = tuple[str, ...]  # what is counted: ("read",), ("rejected", reason), ("dropped", symbol), (split, what)


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
        with _pipeline(parsed) as pipeline:
            _add_steps(pipeline, plan)
    except InputError:
        raise
    except Exception as error:
        # A worker's error comes as a text, its traceback before it.
        fault = WORLD.match(str(error).strip().rpartition("\n")[2])
        if fault:
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


class Read(beam.DoFn):
    """A part of a source into (partition, block file).

    Beside them `rejected`: packed rows by Key; `lines`: how many lines the part has; `counts`, `symbols`, `faults`.
    """

    def __init__(self, *, folder: str, count_symbols: bool, lowercase: bool, shard_count: int, partitions: int) -> None:
        self._folder, self._count_symbols, self._lowercase = folder, count_symbols, lowercase
        self._shard_count, self._partitions = shard_count, partitions

    def process(self, part: Part) -> Iterator[Any]:
        counts: Counter[Count] = Counter()
        symbols: Counter[str] = Counter()
        gathered = Gathered(shards=self._shard_count, partitions=self._partitions)
        rejected = Rejections()
        lines = 0
        progress = _Progress()
        try:
            with files.open_to_read(part.url) as stream:
                for found in sources.read(stream, part):
                    lines += 1
                    place = Place(part.source, part.part, found.line)
                    if isinstance(found, sources.Rejected):
                        counts["rejected", found.reason] += 1
                        rejected.add(place, found.reason)
                    else:
                        gathered.add(shards.keyed(identity=found.id, text=found.text, place=place))
                    if gathered.bytes >= blocks.BLOCK_BYTES:
                        yield from self._written(gathered, symbols)
                    if rejected.enough:
                        yield from (TaggedOutput("rejected", rows) for rows in rejected.taken())
                    if progress.is_due():
                        done = (stream.tell() - part.start) / (part.stop - part.start)
                        log.info(
                            "%s: part %d, %.0f%% read, %.0f lines/s, %.0f s left",
                            *(part.name, part.part, 100 * done, lines / progress.seconds, progress.left(done)),
                        )
        except InputError as error:
            yield TaggedOutput("faults", str(error))
        yield from self._written(gathered, symbols)
        yield from (TaggedOutput("rejected", rows) for rows in rejected.taken())
        counts["read",] = lines
        yield TaggedOutput("lines", ((part.source, part.part), lines))
        yield TaggedOutput("counts", counts)
        yield TaggedOutput("symbols", symbols)

    def _written(self, gathered: Gathered, symbols: Counter[str]) -> Iterator[tuple[int, str]]:
        for partition, reviews in gathered.taken():
            if self._count_symbols:
                for k in range(0, len(reviews), COUNTED_REVIEWS):
                    text = b"".join(review.text for review in reviews[k : k + COUNTED_REVIEWS]).decode()
                    symbols.update(count_symbols(text.lower() if self._lowercase else text))
            written = files.write(self._folder, [blocks.pack(reviews)])
            assert written
            yield partition, written.file


class WriteShards(beam.DoFn):
    """The reviews of one partition into a file for each of its shards and splits: `shards`, what was written."""

    def __init__(self, *, folder: str, tag: str, cut: Cut, shard_count: int) -> None:
        self._folder, self._tag, self._cut, self._shard_count = folder, tag, cut, shard_count

    def process(self, group: tuple[int, Iterable[str]], vocabulary: Vocabulary) -> Iterator[Any]:
        partition, block_files = group
        counts: Counter[Count] = Counter()
        rejected = Rejections()
        progress = _Progress()
        by_shard: dict[int, list[Keyed]] = {}
        for file in block_files:
            for review in blocks.unpack(files.read(self._folder, file)):
                by_shard.setdefault(shards.shard_of(review.text_key, self._shard_count), []).append(review)
        for done, number in enumerate(sorted(by_shard), start=1):
            yield from self._shard(number, by_shard.pop(number), vocabulary, counts, rejected)
            yield from (TaggedOutput("rejected", rows) for rows in rejected.taken())
            if progress.is_due():
                count = done + len(by_shard)
                log.info(
                    "partition %d: %d of %d shards written, %.0f s left",
                    *(partition, done, count, progress.left(done / count)),
                )
        yield TaggedOutput("counts", counts)

    def _shard(
        self,
        number: int,
        reviews: list[Keyed],
        vocabulary: Vocabulary,
        counts: Counter[Count],
        rejected: Rejections,
    ) -> Iterator[dict[str, Any]]:
        kept: dict[str, list[Keyed]] = {}
        for review, original in shards.without_duplicates(reviews):
            if original is None:
                kept.setdefault(shards.split_of(review.id_key, self._cut), []).append(review)
            else:
                counts["duplicate",] += 1
                rejected.add(review.place, original.place)
        for split in sorted(kept):
            encoded = shards.encode(kept[split], vocabulary, lowercase=self._cut.lowercase)
            for review in encoded.empty:
                counts["rejected", "no symbol of the vocabulary"] += 1
                rejected.add(review.place, "no symbol of the vocabulary")
            stayed = len(kept[split]) - len(encoded.empty)
            counts["kept",] += stayed
            counts.update({("dropped", symbol): count for symbol, count in encoded.dropped.items()})
            counts[split, "reviews"] += stayed
            counts[split, "characters"] += len(encoded.ids)
            counts[split, "tail"] += shards.tail_chars(len(encoded.ids), self._cut)
            written = files.write(self._folder, shards.cut_and_frame(encoded.ids, self._cut))
            if written:
                name = shards.shard_name(split, number, self._shard_count, self._tag)
                yield written._asdict() | {"name": name, "split": split}


def write_rejected(
    group: tuple[Key, Iterable[bytes]],
    lines: Mapping[tuple[int, int], int],
    *,
    folder: str,
    tag: str,
    names: Sequence[str],
) -> dict[str, str]:
    """One file of rejected lines; its name and what it is to be called."""
    key, packed = group
    first_lines, total, source = {}, 0, None
    for place in sorted(lines):
        total = total if place[0] == source else 0
        first_lines[place], total, source = total, total + lines[place], place[0]
    written = files.write(folder, [rejections.as_lines(key, packed, names=names, first_lines=first_lines)])
    assert written
    return {"file": written.file, "name": rejections.file_name(key, tag)}


def write_summary(
    folder: str,
    counts: Counter[Count],
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


class _Progress:
    """Whether it is time for another line in the log, and what stands there of time."""

    def __init__(self) -> None:
        self._began = self._shown = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def left(self, done: float) -> float:
        """How many seconds more, if so great a part is done by now."""
        return self.seconds * (1 - done) / done if done else float("nan")

    def is_due(self) -> bool:
        now = time.monotonic()
        if now < self._shown + LOG_SECONDS:
            return False
        self._shown = now
        return True
