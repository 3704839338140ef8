"""Reviews as ids for a detector to be made from or tried on: genuine ones and generated ones, each with its braces.

A generated review ends where the generator closes it, or is cut off.
"""

import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from preprocessing.dataset.folder import Dataset
from preprocessing.dataset.statistics import CHUNK_BYTES, read_text_ids
from preprocessing.dataset.vocabulary import CLOSE, OPEN
from preprocessing.errors import InputError
from preprocessing.progress import report_progress
from preprocessing.sources.review import Review
from trainer.detection.ngrams import NGrams
from trainer.runs.folder import Run
from trainer.sampling.generate import generate_samples, whole_samples
from trainer.sampling.sampler import draws
from trainer.scoring.review_texts import named, read
from trainer.scoring.reviews import Alphabet

Ids = npt.NDArray[Any]


def of_split(dataset: Dataset, split: str) -> list[Ids]:
    """The whole reviews of a split, put together again from its windows; InputError if there is no such split."""
    closing = dataset.manifest.symbols().symbols.index(CLOSE)
    found = []
    for ids in _texts(dataset, split):
        pieces = np.split(ids, np.flatnonzero(ids == closing) + 1)
        found += [piece for piece in pieces if len(piece) and piece[-1] == closing]  # the last may be cut
    return found


def of_files(urls: Sequence[str], alphabet: Alphabet) -> list[Ids]:
    """The reviews in a user's files; InputError if there is none."""
    with tempfile.TemporaryDirectory(prefix="reviews-") as scratch:
        files = named(urls, sys.stdin.buffer, Path(scratch))
        texts = [text.found.text for text in read(files, Path(scratch)) if isinstance(text.found, Review)]
    found = [ids for ids in (alphabet.encode(text)[0] for text in texts) if len(ids) > 2]
    if not found:
        raise InputError(f"{', '.join(urls)}: no review of the run's symbols in it")
    return found


def by_model(run: Run, net: keras.Model, diversities: Sequence[float], *, chars: int, seed: int) -> list[Ids]:
    """A review at each of the diversities, of at most so many characters; the same for the same seed."""
    opening, closing = _braces(run)
    samples = generate_samples(
        net, [opening], diversities, chars=chars, seed=seed, reached=lambda ids: ids[-1] == closing
    )
    whole = report_progress(whole_samples(samples), total=len(diversities), unit="review")
    return _cut((np.array(text.ids, np.int32) for text in whole), opening, closing)


def by_ngrams(run: Run, dataset: Dataset, diversities: Sequence[float], *, chars: int, seed: int) -> list[Ids]:
    """The same by an n-gram model of the training split."""
    opening, closing = _braces(run)
    model = NGrams(np.concatenate(list(_texts(dataset, "train"))), len(run.manifest.vocabulary))
    drawn = draws(seed, 0, rows=len(diversities), chars=chars)
    return _cut(model.generate(opening, diversities=diversities, drawn=drawn), opening, closing)


def _braces(run: Run) -> tuple[int, int]:
    return run.manifest.vocabulary.index(OPEN), run.manifest.vocabulary.index(CLOSE)


def _cut(rows: Iterable[Ids], opening: int, closing: int) -> list[Ids]:
    """Each row up to its first closing brace, which one that has none is given."""
    found = []
    for row in rows:
        ends = np.flatnonzero(row == closing)
        inside = row[: ends[0]] if len(ends) else row
        found.append(np.concatenate([[opening], inside, [closing]]))
    return found


def _texts(dataset: Dataset, split: str) -> Iterator[Ids]:
    """The text of each shard."""
    manifest = dataset.manifest
    with tempfile.TemporaryDirectory(prefix="reviews-") as made:
        for shard in dataset.shards(split):
            with dataset.local_shard(shard, Path(made)) as path, path.open("rb") as file:
                yield np.concatenate(list(read_text_ids(file, manifest, chunk_bytes=CHUNK_BYTES)))
