"""The pipeline's first half: a part of a source into blocks of reviews, by partition."""

import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from preprocessing.dataset.vocabulary import count_symbols
from preprocessing.errors import InputError
from preprocessing.pipeline import blocks
from preprocessing.pipeline.beam import open_file, write_file
from preprocessing.pipeline.blocks import BlockBuffer
from preprocessing.pipeline.duplicates import SourceLine, add_keys
from preprocessing.pipeline.rejected import Rejections
from preprocessing.pipeline.summary import Counts
from preprocessing.progress import Progress
from preprocessing.sources import reader
from preprocessing.sources.reader import Part
from preprocessing.sources.review import Rejected

log = logging.getLogger(__name__)

COUNTED_REVIEWS = 1000  # whose symbols are counted at once


class Read(beam.DoFn):
    """A part of a source into (partition, block file).

    Beside them `rejected`: packed rows by Key; `lines`: how many lines the part has; `counts`, `symbols`, `faults`.
    """

    def __init__(self, *, folder: str, count_symbols: bool, lowercase: bool, shard_count: int, partitions: int) -> None:
        self._folder, self._count_symbols, self._lowercase = folder, count_symbols, lowercase
        self._shard_count, self._partitions = shard_count, partitions

    def process(self, part: Part) -> Iterator[Any]:
        counts: Counts = Counter()
        symbols: Counter[str] = Counter()
        buffer = BlockBuffer(shards=self._shard_count, partitions=self._partitions)
        rejected = Rejections()
        lines = 0
        progress = Progress()
        try:
            with open_file(part.url) as stream:
                for found in reader.read(stream, part):
                    lines += 1
                    source_line = SourceLine(part.source, part.part, found.line)
                    if isinstance(found, Rejected):
                        counts["rejected", found.reason] += 1
                        rejected.add(source_line, found.reason)
                    else:
                        buffer.add(add_keys(review_id=found.id, text=found.text, source_line=source_line))
                    if buffer.bytes >= blocks.BLOCK_BYTES:
                        yield from self._written(buffer, symbols)
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
        yield from self._written(buffer, symbols)
        yield from (TaggedOutput("rejected", rows) for rows in rejected.taken())
        counts["read",] = lines
        yield TaggedOutput("lines", ((part.source, part.part), lines))
        yield TaggedOutput("counts", counts)
        yield TaggedOutput("symbols", symbols)

    def _written(self, buffer: BlockBuffer, symbols: Counter[str]) -> Iterator[tuple[int, str]]:
        for partition, reviews in buffer.taken():
            if self._count_symbols:
                for k in range(0, len(reviews), COUNTED_REVIEWS):
                    texts = [review.text.decode() for review in reviews[k : k + COUNTED_REVIEWS]]
                    if self._lowercase:
                        texts = [text.lower() for text in texts]  # each alone, for what stands beside it may matter
                    symbols.update(count_symbols("".join(texts)))
            written = write_file(self._folder, [blocks.pack(reviews)])
            assert written
            yield partition, written.file
