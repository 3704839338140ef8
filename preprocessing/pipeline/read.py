"""Beam DoFn that reads one part of a source into blocks of reviews, by partition."""

import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from preprocessing.dataset.vocabulary import count_symbols
from preprocessing.errors import InputError
from preprocessing.pipeline.beam import write_file
from preprocessing.pipeline.blocks import BlockBuffer, pack_block
from preprocessing.pipeline.keys import SourceLine, add_keys
from preprocessing.pipeline.rejected import RejectedLines
from preprocessing.pipeline.summary import PipelineCounts, count_rejected
from preprocessing.progress import Progress
from preprocessing.sources.reader import FilePart, read_part
from preprocessing.sources.review import Rejected, Review
from preprocessing.storage.read_checksum import ChecksummedPart
from preprocessing.storage.streams import open_stream

log = logging.getLogger(__name__)

COUNTED_REVIEWS = 1000  # whose symbols are counted at once


class ReadPart(beam.DoFn):
    """Reads a part of a source, and yields (partition, (block file, its CRC-32C)).

    Its other outputs are `rejected`: packed lines by RejectedKey; `lines`: the number of lines in the part;
    `counts`: PipelineCounts; `symbols`: the count of each symbol; `faults`: the message of a damaged source;
    `checksums`: source, part, CRC-32C and length of the bytes that were read.
    """

    def __init__(
        self, *, folder: str, count_symbols: bool, lowercase: bool, shard_count: int, partition_count: int
    ) -> None:
        self._folder, self._count_symbols, self._lowercase = folder, count_symbols, lowercase
        self._shard_count, self._partition_count = shard_count, partition_count

    def process(self, part: FilePart) -> Iterator[Any]:
        with open_stream(part.url, size=part.bytes) as file:
            stream = ChecksummedPart(file, start=part.start, stop=part.stop)
            yield from self._read(stream, part)
            yield TaggedOutput("checksums", (part.source, part.part, stream.finish(), part.stop - part.start))

    def _read(self, stream: ChecksummedPart, part: FilePart) -> Iterator[Any]:
        counts: PipelineCounts = Counter()
        symbols: Counter[str] = Counter()
        buffer = BlockBuffer(shard_count=self._shard_count, partition_count=self._partition_count)
        rejected = RejectedLines()
        lines = 0
        try:
            for line in _read_lines(stream, part):
                lines += 1
                source_line = SourceLine(part.source, part.part, line.line)
                if isinstance(line, Rejected):
                    count_rejected(counts, line.reason, source=part.source)
                    rejected.add(source_line, line.reason)
                else:
                    buffer.add(add_keys(review_id=line.id, text=line.text, source_line=source_line))
                if buffer.is_full:
                    yield from self._write_blocks(buffer, symbols)
                if rejected.is_full:
                    yield from (TaggedOutput("rejected", pack) for pack in rejected.drain())
        except InputError as error:
            yield TaggedOutput("faults", str(error))
        yield from self._write_blocks(buffer, symbols)
        yield from (TaggedOutput("rejected", pack) for pack in rejected.drain())
        counts["read",] = counts["source", str(part.source), "read"] = lines
        yield TaggedOutput("lines", ((part.source, part.part), lines))
        yield TaggedOutput("counts", counts)
        yield TaggedOutput("symbols", symbols)

    def _write_blocks(self, buffer: BlockBuffer, symbols: Counter[str]) -> Iterator[tuple[int, tuple[str, str]]]:
        for partition, reviews in buffer.drain():
            if self._count_symbols:
                for start in range(0, len(reviews), COUNTED_REVIEWS):
                    texts = [review.text.decode() for review in reviews[start : start + COUNTED_REVIEWS]]
                    if self._lowercase:
                        texts = [text.lower() for text in texts]  # one by one: lower() depends on the text around
                    symbols.update(count_symbols("".join(texts)))
            block = write_file(self._folder, [pack_block(reviews)])
            assert block
            yield partition, (block.file, block.crc32c)


def _read_lines(stream: Any, part: FilePart) -> Iterator[Review | Rejected]:
    """Yield the lines of a part, and log the progress."""
    progress = Progress()
    for count, line in enumerate(read_part(stream, part), start=1):
        yield line
        if progress.is_due():
            done = (stream.tell() - part.start) / (part.stop - part.start)
            log.info(
                "%s: part %d, %.0f%% read, %.0f lines/s, %.0f s left",
                *(part.name, part.part, 100 * done, count / progress.seconds, progress.seconds_left(done)),
            )
