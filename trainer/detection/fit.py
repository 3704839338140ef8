"""A detector fitted to genuine and generated reviews: a logistic regression for each length."""

import logging
from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from preprocessing.errors import InputError
from trainer.detection.examples import generate_with_model
from trainer.detection.rates import find_threshold
from trainer.detection.review_scorer import THIS_RUN, ReviewScorer, ReviewSettings, ScoredTexts
from trainer.runs.folder import Run
from trainer.runtime.machine import list_versions
from trainer.scoring.detector import Detector, LengthClassifier
from trainer.scoring.scores import FEATURES, Scores, compute_features

log = logging.getLogger(__name__)

FOLDS = 5
MIN_TEXTS = 2 * FOLDS  # genuine, and generated as well


def train_detector(
    run: Run, settings: ReviewSettings, *, lengths: Sequence[int], false_positive_rate: float
) -> Detector:
    """Train a detector for a run's newest checkpoint. Raises InputError if no length has enough reviews."""
    scorer = ReviewScorer(run)
    genuine = scorer.score_genuine(settings, "validation")
    diversities = settings.list_diversities()
    ids = generate_with_model(run, scorer.model, diversities, chars=max(lengths), seed=settings.seed)
    generated = scorer.score_generated(THIS_RUN, settings, ids)
    return fit_detector(scorer.checkpoint, genuine, generated, lengths, rate=false_positive_rate, seed=settings.seed)


def fit_detector(
    checkpoint: str,
    genuine: ScoredTexts,
    generated: Sequence[ScoredTexts],
    lengths: Sequence[int],
    *,
    rate: float,
    seed: int,
) -> Detector:
    """Fit a detector to texts of all diversities together. Raises InputError if no length has enough texts."""
    generated_scores = [scores for texts in generated for scores in texts.scores]
    return Detector(
        checkpoint=checkpoint,
        false_positive_rate=rate,
        diversities=tuple(float(texts.label) for texts in generated),
        features=tuple(FEATURES),
        lengths=fit_classifiers(genuine.scores, generated_scores, lengths, rate=rate, seed=seed),
        versions=dict(list_versions()),
    )


def fit_classifiers(
    genuine: Sequence[Scores], generated: Sequence[Scores], lengths: Sequence[int], *, rate: float, seed: int
) -> tuple[LengthClassifier, ...]:
    """Fit a classifier for each length that enough texts have. Raises InputError if there is no such length.

    The threshold is set by cross-validation, on genuine texts that the regression did not see. Otherwise it would be
    too low.
    """
    classifiers = []
    for chars in lengths:
        texts = [[scores.first(chars) for scores in kind if len(scores) >= chars] for kind in (genuine, generated)]
        counts = [len(kind) for kind in texts]
        if min(counts) < MIN_TEXTS:
            log.warning("%d characters: left out, only %d genuine and %d generated reviews are so long", chars, *counts)
            continue
        if counts[0] * rate < 1:
            log.warning(
                "%d characters: %d genuine reviews are too few for a false positive rate of %g: the threshold is the "
                "number of the most suspicious one",
                *(chars, counts[0], rate),
            )
        classifiers.append(_fit_classifier(chars, *texts, rate=rate, seed=seed))
    if not classifiers:
        raise InputError(
            f"no length of {', '.join(map(str, lengths))} characters has {MIN_TEXTS} reviews of each kind: "
            "give shorter --lengths, a greater --count or more --reviews"
        )
    return tuple(classifiers)


def _fit_classifier(
    chars: int, genuine: Sequence[Scores], generated: Sequence[Scores], *, rate: float, seed: int
) -> LengthClassifier:
    features = np.array([compute_features(scores) for scores in (*genuine, *generated)])
    truth = np.repeat([0, 1], [len(genuine), len(generated)])
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    unseen = cross_val_predict(model, features, truth, cv=folds, method="decision_function")
    model.fit(features, truth)
    scaler, regression = model[0], model[1]
    return LengthClassifier(
        chars=chars,
        means=tuple(scaler.mean_.tolist()),
        scales=tuple(scaler.scale_.tolist()),
        coefficients=tuple(regression.coef_[0].tolist()),
        intercept=float(regression.intercept_[0]),
        threshold=find_threshold(unseen[truth == 0], rate),
        genuine=len(genuine),
        generated=len(generated),
    )
