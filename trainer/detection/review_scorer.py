"""Genuine and generated reviews with their scores under a run's model, to fit or to evaluate a detector."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from preprocessing.dataset.vocabulary import Ids
from preprocessing.sources.review import DEFAULT_COLUMNS, Columns
from trainer.detection.examples import read_review_ids, read_split_ids
from trainer.runs.folder import Run, open_run_dataset
from trainer.runs.load import load_checkpoint
from trainer.scoring.scored_reviews import TextCodec
from trainer.scoring.scorer import Scorer
from trainer.scoring.scores import Scores

log = logging.getLogger(__name__)

GENUINE, THIS_RUN = "genuine", "this run"  # sources of reviews


@dataclass(frozen=True)
class ReviewSettings:
    """Reviews to fit or to evaluate a detector with.

    count: generated reviews for each diversity.
    reviews: URLs of genuine reviews; without any, a split of the run's dataset is used.
    """

    count: int
    diversities: tuple[float, ...]
    seed: int
    reviews: tuple[str, ...]
    columns: Columns = DEFAULT_COLUMNS

    def list_diversities(self) -> list[float]:
        """Return the diversity of each review to generate, in order of the diversities."""
        diversities: list[float] = np.repeat(self.diversities, self.count).tolist()
        return diversities


@dataclass(frozen=True)
class ScoredTexts:
    """Reviews of one source, with their scores.

    label: the diversity, or the range of diversities; empty for genuine reviews.
    ids: ids of each review, with both braces.
    scores: scores of each review, without its closing brace.
    """

    source: str
    label: str
    ids: list[Ids]
    scores: list[Scores]

    def at_least(self, chars: int) -> "ScoredTexts":
        """Keep the reviews of at least `chars` characters, uncut."""
        kept = [index for index, scores in enumerate(self.scores) if len(scores) >= chars]
        return ScoredTexts(self.source, self.label, [self.ids[k] for k in kept], [self.scores[k] for k in kept])

    def __add__(self, other: "ScoredTexts") -> "ScoredTexts":
        """Return the reviews of two diversities of one source. The other diversity is higher."""
        label = f"{self.label.partition('-')[0]}-{other.label}"
        return ScoredTexts(self.source, label, self.ids + other.ids, self.scores + other.scores)


class ReviewScorer:
    """A run's newest checkpoint, which scores reviews."""

    def __init__(self, run: Run) -> None:
        """Load the model. Raises InputError if the run has no checkpoint."""
        saved, self.model = load_checkpoint(run)
        self.run, self.checkpoint = run, saved.sha256
        self._scorer = Scorer(self.model)

    def score_genuine(self, settings: ReviewSettings, split: str) -> ScoredTexts:
        """Score the genuine reviews of the settings, else the reviews of a split of the run's dataset."""
        if settings.reviews:
            ids = read_review_ids(settings.reviews, TextCodec(self.run.manifest), settings.columns)
        else:
            ids = read_split_ids(open_run_dataset(self.run), split)
        log.info("%d genuine reviews", len(ids))
        return self._score(GENUINE, "", ids)

    def score_generated(self, source: str, settings: ReviewSettings, ids: Sequence[Ids]) -> list[ScoredTexts]:
        """Score generated reviews, in order of `settings.list_diversities()`. Each diversity is a ScoredTexts."""
        count = settings.count
        return [
            self._score(source, f"{diversity:g}", list(ids[index * count : (index + 1) * count]))
            for index, diversity in enumerate(settings.diversities)
        ]

    def _score(self, source: str, label: str, ids: list[Ids]) -> ScoredTexts:
        return ScoredTexts(source, label, ids, [scores.first(len(scores) - 1) for scores in self._scorer(ids)])
