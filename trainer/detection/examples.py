"""Genuine and generated reviews as ids, each with both braces.

A generated review ends with the generator's closing brace. A review without one is cut off, and gets a closing brace.
"""

import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import keras
import numpy as np

from preprocessing.dataset.folder import Dataset
from preprocessing.dataset.statistics import CHUNK_BYTES, read_text_ids
from preprocessing.dataset.vocabulary import CLOSE, OPEN, Ids
from preprocessing.errors import InputError
from preprocessing.progress import report_progress
from preprocessing.sources.review import DEFAULT_COLUMNS, Columns, Review
from trainer.detection.ngrams import NGrams
from trainer.runs.folder import Run
from trainer.sampling.generate import generate_samples, whole_samples
from trainer.sampling.sampler import draw_numbers
from trainer.scoring.review_files import find_review_files, read_review_files
from trainer.scoring.scored_reviews import TextCodec


def read_split_ids(dataset: Dataset, split: str) -> list[Ids]:
    """Return the whole reviews of a split, put together from its windows. Raises InputError without such a split."""
    closing = dataset.manifest.symbols().symbols.index(CLOSE)
    reviews = []
    for ids in _read_shards(dataset, split):
        pieces = np.split(ids, np.flatnonzero(ids == closing) + 1)
        reviews += [piece for piece in pieces if len(piece) and piece[-1] == closing]  # a shard's last may be cut
    return reviews


def read_review_ids(urls: Sequence[str], codec: TextCodec, columns: Columns = DEFAULT_COLUMNS) -> list[Ids]:
    """Return the reviews in a user's files. Raises InputError if there is none."""
    with tempfile.TemporaryDirectory(prefix="reviews-") as scratch:
        files = find_review_files(urls, sys.stdin.buffer, Path(scratch), columns)
        lines = read_review_files(files, Path(scratch), columns)
        texts = [line.parsed.text for line in lines if isinstance(line.parsed, Review)]
    reviews = [ids for ids in (codec.encode(text)[0] for text in texts) if len(ids) > 2]
    if not reviews:
        raise InputError(f"{', '.join(urls)}: no review of the run's symbols in it")
    return reviews


def generate_with_model(
    run: Run, model: keras.Model, diversities: Sequence[float], *, chars: int, seed: int
) -> list[Ids]:
    """Generate a review of at most `chars` characters at each of the diversities. The seed decides the reviews."""
    opening, closing = _braces(run)
    samples = generate_samples(
        model, [opening], diversities, chars=chars, seed=seed, reached=lambda ids: ids[-1] == closing
    )
    finished = report_progress(whole_samples(samples), total=len(diversities), unit="review")
    return _cut((np.array(sample.ids, np.int32) for sample in finished), opening, closing)


def generate_with_ngrams(
    run: Run, dataset: Dataset, diversities: Sequence[float], *, chars: int, seed: int
) -> list[Ids]:
    """Generate reviews as `generate_with_model` does, with an n-gram model of the training split."""
    opening, closing = _braces(run)
    model = NGrams(np.concatenate(list(_read_shards(dataset, "train"))), len(run.manifest.vocabulary))
    drawn = draw_numbers(seed, 0, rows=len(diversities), chars=chars)
    return _cut(model.generate(opening, diversities=diversities, drawn=drawn), opening, closing)


def _braces(run: Run) -> tuple[int, int]:
    return run.manifest.vocabulary.index(OPEN), run.manifest.vocabulary.index(CLOSE)


def _cut(rows: Iterable[Ids], opening: int, closing: int) -> list[Ids]:
    """Cut each row after its first closing brace. A row without one gets a closing brace at its end."""
    reviews = []
    for row in rows:
        ends = np.flatnonzero(row == closing)
        inside = row[: ends[0]] if len(ends) else row
        reviews.append(np.concatenate([[opening], inside, [closing]]))
    return reviews


def _read_shards(dataset: Dataset, split: str) -> Iterator[Ids]:
    """Yield the ids of each shard's text."""
    manifest = dataset.manifest
    with tempfile.TemporaryDirectory(prefix="reviews-") as scratch:
        for shard in dataset.shards(split):
            with dataset.local_shard(shard, Path(scratch)) as path, path.open("rb") as file:
                yield np.concatenate(list(read_text_ids(file, manifest, chunk_bytes=CHUNK_BYTES)))
