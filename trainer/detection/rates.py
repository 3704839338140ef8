"""Rates of a classifier that gives generated texts higher numbers than genuine texts, with bootstrap intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, roc_auc_score

Numbers = npt.NDArray[np.float64]
FALSE_POSITIVE_RATES = (0.05, 0.01)
RESAMPLES = 300
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A value with its confidence interval at level CONFIDENCE."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Rates:
    """Rates of a classifier.

    auroc: area under the ROC curve.
    aupr: area under the precision-recall curve, for this ratio of generated to genuine texts.
    tpr: true positive rate at each of FALSE_POSITIVE_RATES.
    """

    auroc: Estimate
    aupr: Estimate
    tpr: tuple[Estimate, ...]


def find_threshold(genuine: Numbers, rate: float) -> float:
    """Find the lowest threshold with at most this share of the genuine texts' numbers [n] above it."""
    return float(np.sort(genuine)[::-1][int(rate * len(genuine))])


def estimate_rates(genuine: Numbers, generated: Numbers, *, seed: int) -> Rates:
    """Estimate the rates from the numbers [n] of genuine and [m] of generated texts, at least one of each.

    The intervals come from a bootstrap of the genuine texts and of the generated texts.
    """
    random = np.random.default_rng(seed)
    resampled = np.array(
        [
            measure_rates(random.choice(genuine, len(genuine)), random.choice(generated, len(generated)))
            for _ in range(RESAMPLES)
        ]
    )
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail], axis=0)
    auroc, aupr, *tpr = (
        Estimate(*map(float, three)) for three in zip(measure_rates(genuine, generated), low, high, strict=True)
    )
    return Rates(auroc, aupr, tuple(tpr))


def measure_rates(genuine: Numbers, generated: Numbers) -> Sequence[float]:
    """Return the values of Rates, in its order, without intervals."""
    numbers = np.concatenate([genuine, generated])
    truth = np.repeat([0, 1], [len(genuine), len(generated)])
    tpr = (float((generated > find_threshold(genuine, rate)).mean()) for rate in FALSE_POSITIVE_RATES)
    return [roc_auc_score(truth, numbers), average_precision_score(truth, numbers), *tpr]
