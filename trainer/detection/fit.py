"""A detector from the scores of genuine and generated reviews: a logistic regression for each length."""

import logging
from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from preprocessing.errors import InputError
from trainer.detection.rates import threshold_at
from trainer.scoring.detector import AtLength
from trainer.scoring.scores import Scores, features

log = logging.getLogger(__name__)

FOLDS = 5
LEAST = 2 * FOLDS  # texts of each kind


def fit(
    genuine: Sequence[Scores], generated: Sequence[Scores], lengths: Sequence[int], *, rate: float, seed: int
) -> tuple[AtLength, ...]:
    """For each length that enough texts have; InputError if none has.

    The threshold is set on genuine texts that the regression did not see, each in its turn: else it would be too low.
    """
    fitted = []
    for chars in lengths:
        texts = [[scores.first(chars) for scores in kind if len(scores) >= chars] for kind in (genuine, generated)]
        counts = [len(kind) for kind in texts]
        if min(counts) < LEAST:
            log.warning("%d characters: left out, %d genuine and %d generated reviews are so long", chars, *counts)
            continue
        if counts[0] * rate < 1:
            log.warning(
                "%d characters: %d genuine reviews are too few for a false positive rate of %g: the threshold is the "
                "number of the most suspicious one",
                *(chars, counts[0], rate),
            )
        fitted.append(_fitted(chars, *texts, rate=rate, seed=seed))
    if not fitted:
        raise InputError(
            f"no length of {', '.join(map(str, lengths))} characters has {LEAST} reviews of each kind: "
            "give shorter --lengths, a greater --count or more --reviews"
        )
    return tuple(fitted)


def _fitted(chars: int, genuine: Sequence[Scores], generated: Sequence[Scores], *, rate: float, seed: int) -> AtLength:
    numbers = np.array([features(scores) for scores in (*genuine, *generated)])
    truth = np.repeat([0, 1], [len(genuine), len(generated)])
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    unseen = cross_val_predict(model, numbers, truth, cv=folds, method="decision_function")
    model.fit(numbers, truth)
    scaler, regression = model[0], model[1]
    return AtLength(
        chars=chars,
        means=tuple(scaler.mean_.tolist()),
        scales=tuple(scaler.scale_.tolist()),
        coefficients=tuple(regression.coef_[0].tolist()),
        intercept=float(regression.intercept_[0]),
        threshold=threshold_at(unseen[truth == 0], rate),
        genuine=len(genuine),
        generated=len(generated),
    )
