"""The pipeline's second half: a partition's blocks into shards, and rejected lines into files."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from preprocessing.dataset.vocabulary import Vocabulary
from preprocessing.pipeline import blocks, shards
from preprocessing.pipeline import rejected as rejections
from preprocessing.pipeline.beam import read_file, write_file
from preprocessing.pipeline.duplicates import KeyedReview, find_duplicates
from preprocessing.pipeline.rejected import Key, Rejections
from preprocessing.pipeline.shards import WindowSettings
from preprocessing.pipeline.summary import Counts
from preprocessing.progress import Progress

log = logging.getLogger(__name__)


class WriteShards(beam.DoFn):
    """The reviews of one partition into a file for each of its shards and splits: `shards`, what was written."""

    def __init__(self, *, folder: str, tag: str, cut: WindowSettings, shard_count: int) -> None:
        self._folder, self._tag, self._cut, self._shard_count = folder, tag, cut, shard_count

    def process(self, group: tuple[int, Iterable[str]], vocabulary: Vocabulary) -> Iterator[Any]:
        partition, block_files = group
        counts: Counts = Counter()
        rejected = Rejections()
        progress = Progress()
        by_shard: dict[int, list[KeyedReview]] = {}
        for file in block_files:
            for review in blocks.unpack(read_file(self._folder, file)):
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
        reviews: list[KeyedReview],
        vocabulary: Vocabulary,
        counts: Counts,
        rejected: Rejections,
    ) -> Iterator[dict[str, Any]]:
        kept: dict[str, list[KeyedReview]] = {}
        for review, original in find_duplicates(reviews):
            if original is None:
                kept.setdefault(shards.split_of(review.id_key, self._cut), []).append(review)
            else:
                counts["duplicate",] += 1
                rejected.add(review.source_line, original.source_line)
        for split in sorted(kept):
            encoded = shards.encode(kept[split], vocabulary, lowercase=self._cut.lowercase)
            for review in encoded.empty:
                counts["rejected", "no symbol of the vocabulary"] += 1
                rejected.add(review.source_line, "no symbol of the vocabulary")
            stayed = len(kept[split]) - len(encoded.empty)
            counts["kept",] += stayed
            counts.update({("dropped", symbol): count for symbol, count in encoded.dropped.items()})
            counts[split, "reviews"] += stayed
            counts[split, "characters"] += len(encoded.ids)
            counts[split, "tail"] += shards.tail_chars(len(encoded.ids), self._cut)
            written = write_file(self._folder, shards.cut_and_frame(encoded.ids, self._cut))
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
    written = write_file(folder, [rejections.as_lines(key, packed, names=names, first_lines=first_lines)])
    assert written
    return {"file": written.file, "name": rejections.file_name(key, tag)}
