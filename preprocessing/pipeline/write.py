"""Beam DoFn that writes a partition's blocks to shards, and the function that writes rejected lines to files."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from preprocessing.dataset.vocabulary import Vocabulary
from preprocessing.pipeline import shards
from preprocessing.pipeline.beam import read_file, write_file
from preprocessing.pipeline.blocks import unpack_block
from preprocessing.pipeline.duplicates import find_duplicates
from preprocessing.pipeline.keys import KeyedReview, choose_shard
from preprocessing.pipeline.rejected import RejectedKey, RejectedLines, format_rejected_lines, rejected_file_name
from preprocessing.pipeline.shards import WindowSettings
from preprocessing.pipeline.summary import PipelineCounts, count_rejected
from preprocessing.progress import Progress

log = logging.getLogger(__name__)


class WriteShards(beam.DoFn):
    """Writes the reviews of one partition to a file for each of its shards and splits, and yields each shard.

    Its other outputs are `rejected`: packed lines by RejectedKey, and `counts`: PipelineCounts.
    """

    def __init__(self, *, folder: str, tag: str, settings: WindowSettings, shard_count: int) -> None:
        self._folder, self._tag, self._settings, self._shard_count = folder, tag, settings, shard_count

    def process(self, group: tuple[int, Iterable[tuple[str, str]]], vocabulary: Vocabulary) -> Iterator[Any]:
        partition, block_files = group
        counts: PipelineCounts = Counter()
        rejected = RejectedLines()
        progress = Progress()
        by_shard: dict[int, list[KeyedReview]] = {}
        for file, checksum in block_files:
            for review in unpack_block(read_file(self._folder, file, crc32c=checksum)):
                by_shard.setdefault(choose_shard(review.text_key, self._shard_count), []).append(review)
        for done, number in enumerate(sorted(by_shard), start=1):
            yield from self._write_shard(number, by_shard.pop(number), vocabulary, counts, rejected)
            yield from (TaggedOutput("rejected", pack) for pack in rejected.drain())
            if progress.is_due():
                count = done + len(by_shard)
                log.info(
                    "partition %d: %d of %d shards written, %.0f s left",
                    *(partition, done, count, progress.seconds_left(done / count)),
                )
        yield TaggedOutput("counts", counts)

    def _write_shard(
        self,
        number: int,
        reviews: list[KeyedReview],
        vocabulary: Vocabulary,
        counts: PipelineCounts,
        rejected: RejectedLines,
    ) -> Iterator[dict[str, Any]]:
        kept: dict[str, list[KeyedReview]] = {}
        for review, original in find_duplicates(reviews):
            if original is None:
                kept.setdefault(shards.choose_split(review.id_key, self._settings), []).append(review)
            else:
                counts["duplicate",] += 1
                rejected.add(review.source_line, original.source_line)
        for split in sorted(kept):
            encoded = shards.encode_reviews(kept[split], vocabulary, lowercase=self._settings.lowercase)
            for review in encoded.empty:
                count_rejected(counts, "no symbol of the vocabulary", source=review.source_line.source)
                rejected.add(review.source_line, "no symbol of the vocabulary")
            review_count = len(kept[split]) - len(encoded.empty)
            counts["kept",] += review_count
            counts.update({("dropped", symbol): count for symbol, count in encoded.dropped.items()})
            counts[split, "reviews"] += review_count
            counts[split, "characters"] += len(encoded.ids)
            counts[split, "tail"] += shards.count_tail_chars(len(encoded.ids), self._settings)
            shard = write_file(self._folder, shards.cut_and_frame(encoded.ids, self._settings))
            if shard:
                name = shards.shard_name(split, number, self._shard_count, self._tag)
                yield shard._asdict() | {"name": name, "split": split}


def write_rejected(
    group: tuple[RejectedKey, Iterable[bytes]],
    line_counts: Mapping[tuple[int, int], int],
    *,
    folder: str,
    tag: str,
    names: Sequence[str],
) -> dict[str, str]:
    """Write one file of rejected lines. Return its present name and its name under rejected/.

    line_counts: the number of lines by source and part.
    """
    key, packs = group
    first_lines, total, last_source = {}, 0, None
    for source, part in sorted(line_counts):
        total = total if source == last_source else 0
        first_lines[source, part] = total
        total, last_source = total + line_counts[source, part], source
    written = write_file(folder, [format_rejected_lines(key, packs, names=names, first_lines=first_lines)])
    assert written
    return {"file": written.file, "name": rejected_file_name(key, tag)}
