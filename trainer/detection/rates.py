"""How well a number tells generated texts from genuine ones: the higher, the more it speaks for generated."""

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
    """A number, and the interval that holds it with CONFIDENCE."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Rates:
    """auroc, aupr: areas under the ROC curve and under that of precision over recall, the latter with as many
    generated texts to each genuine one as there are here. tpr: the share found at each of FALSE_POSITIVE_RATES."""

    auroc: Estimate
    aupr: Estimate
    tpr: tuple[Estimate, ...]


def threshold_at(genuine: Numbers, rate: float) -> float:
    """The least threshold that at most this share of the genuine texts' numbers is above."""
    return float(np.sort(genuine)[::-1][int(rate * len(genuine))])


def rates(genuine: Numbers, generated: Numbers, *, seed: int) -> Rates:
    """Of at least one text of each kind, with intervals by a bootstrap of the texts of each kind."""
    random = np.random.default_rng(seed)
    resampled = np.array(
        [
            measure(random.choice(genuine, len(genuine)), random.choice(generated, len(generated)))
            for _ in range(RESAMPLES)
        ]
    )
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail], axis=0)
    auroc, aupr, *tpr = (
        Estimate(*map(float, three)) for three in zip(measure(genuine, generated), low, high, strict=True)
    )
    return Rates(auroc, aupr, tuple(tpr))


def measure(genuine: Numbers, generated: Numbers) -> Sequence[float]:
    """The values of Rates in its order, without their intervals."""
    numbers = np.concatenate([genuine, generated])
    truth = np.repeat([0, 1], [len(genuine), len(generated)])
    found = (float((generated > threshold_at(genuine, rate)).mean()) for rate in FALSE_POSITIVE_RATES)
    return [roc_auc_score(truth, numbers), average_precision_score(truth, numbers), *found]
