"""Evaluation of a detector: true and false positive rates by source, diversity and length of the generated reviews."""

import functools
import logging
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from preprocessing.errors import InputError
from preprocessing.storage.urls import last_part
from trainer.detection.examples import generate_with_model, generate_with_ngrams
from trainer.detection.rates import Numbers, Rates, estimate_rates
from trainer.detection.review_scorer import THIS_RUN, ReviewScorer, ReviewSettings, ScoredTexts
from trainer.runs.folder import open_run, open_run_dataset
from trainer.runs.load import load_model
from trainer.scoring.detector import Detector, LengthClassifier

log = logging.getLogger(__name__)

NGRAMS = "n-grams"


@dataclass(frozen=True)
class EvaluationRow:
    """Rates for the generated reviews of one source and label, by the first `chars` characters of all reviews.

    genuine, generated: numbers of reviews.
    found, false_alarms: shares of the generated and of the genuine reviews above the detector's own threshold.
    """

    source: str
    label: str
    chars: int
    genuine: int
    generated: int
    rates: Rates
    found: float
    false_alarms: float


def generate_sources(
    scorer: ReviewScorer, settings: ReviewSettings, *, chars: int, foreign: Sequence[str]
) -> Iterator[ScoredTexts]:
    """Yield reviews of at most `chars` characters by the run itself, an n-gram model, and the `foreign` runs.

    The n-gram model is left out, with a warning, if the run's dataset is gone.
    Raises InputError for a foreign run with another vocabulary.
    """
    run, diversities = scorer.run, settings.list_diversities()
    ids = generate_with_model(run, scorer.model, diversities, chars=chars, seed=settings.seed)
    yield from scorer.score_generated(THIS_RUN, settings, ids)
    try:
        ids = generate_with_ngrams(run, open_run_dataset(run), diversities, chars=chars, seed=settings.seed)
    except InputError as error:
        log.warning("%s are left out: %s", NGRAMS, error)
    else:
        yield from scorer.score_generated(NGRAMS, settings, ids)
    for url in foreign:
        other_run = open_run(url)
        if other_run.manifest.vocabulary != run.manifest.vocabulary:
            raise InputError(f"--foreign {url}: its vocabulary is not the vocabulary of {run.bucket.url}")
        ids = generate_with_model(other_run, load_model(other_run), diversities, chars=chars, seed=settings.seed)
        yield from scorer.score_generated(f"run {last_part(url)}", settings, ids)


def pool_diversities(detector: Detector, generated: Sequence[ScoredTexts]) -> Iterator[ScoredTexts]:
    """Yield each source's texts, and then its texts of all diversities that the detector was fitted to, together."""
    for _, group in groupby(generated, key=lambda texts: texts.source):
        of_source = list(group)
        yield from of_source
        known = [texts for texts in of_source if float(texts.label) in detector.diversities]
        if len(known) > 1:
            yield functools.reduce(operator.add, known)


def evaluate(
    detector: Detector, genuine: ScoredTexts, generated: Sequence[ScoredTexts], *, seed: int
) -> Iterator[EvaluationRow]:
    """Yield a row for each length, source and diversity of which there are texts."""
    for classifier in detector.lengths:
        genuine_texts = genuine.at_least(classifier.chars)
        for texts in pool_diversities(detector, generated):
            generated_texts = texts.at_least(classifier.chars)
            if genuine_texts.scores and generated_texts.scores:
                positive = compute_log_odds(classifier, generated_texts)
                negative = compute_log_odds(classifier, genuine_texts)
                yield EvaluationRow(
                    texts.source,
                    texts.label,
                    classifier.chars,
                    len(negative),
                    len(positive),
                    estimate_rates(negative, positive, seed=seed),
                    found=float((positive > classifier.threshold).mean()),
                    false_alarms=float((negative > classifier.threshold).mean()),
                )


def compute_log_odds(classifier: LengthClassifier, texts: ScoredTexts) -> Numbers:
    """Compute the log-odds [n] of n texts, each at least as long as the classifier needs."""
    return np.array([classifier.log_odds(scores) for scores in texts.scores])
