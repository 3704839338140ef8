"""A detector of generated reviews: a JSON file of numbers, for one checkpoint of one run.

For each of a few lengths it has a logistic regression on the features of scores.py and a threshold. A text is
judged by its first characters, as many as the greatest of the lengths that it has: so what is judged is always what
was calibrated. The file holds no code; whatever it says is checked when it is read.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from preprocessing.errors import InputError
from preprocessing.storage.urls import split_url
from trainer.scoring.scores import FEATURES, Scores, features

FORMAT = 1


@dataclass(frozen=True)
class AtLength:
    """For the first `chars` characters: generated if the log-odds, which are
    intercept + sum of coefficients * (features - means) / scales, are above the threshold.

    genuine, generated: how many texts it was made from.
    """

    chars: int
    means: tuple[float, ...]
    scales: tuple[float, ...]
    coefficients: tuple[float, ...]
    intercept: float
    threshold: float
    genuine: int
    generated: int

    def log_odds(self, scores: Scores) -> float:
        """Of a text of at least `chars` characters, its end not counted."""
        found = (features(scores.first(self.chars)) - self.means) / self.scales
        return float(self.intercept + found @ np.array(self.coefficients))


@dataclass(frozen=True)
class Detector:
    """checkpoint: the SHA-256 of the weights whose scores it judges. false_positive_rate: the share of the genuine
    texts that the thresholds let pass for generated. versions: of what it was made with."""

    checkpoint: str
    false_positive_rate: float
    diversities: tuple[float, ...]
    features: tuple[str, ...]
    lengths: tuple[AtLength, ...]
    versions: Mapping[str, str]

    def at(self, chars: int) -> AtLength | None:
        """What judges a text of so many characters; None if it is too short to tell."""
        return max((one for one in self.lengths if one.chars <= chars), key=lambda one: one.chars, default=None)

    def verdict(self, scores: Scores) -> dict[str, Any]:
        """On the scores of a whole text, without its closing brace."""
        judge = self.at(len(scores))
        if judge is None:
            return {"verdict": "too short", "judged_chars": 0}
        log_odds = judge.log_odds(scores)
        return {
            "verdict": "generated" if log_odds > judge.threshold else "not detected",
            "judged_chars": judge.chars,
            "log_odds": round(log_odds, 4),
            "threshold": round(judge.threshold, 4),
        }

    def check(self, checkpoint: str, *, place: str) -> None:
        """InputError, naming `place`, unless it is for the checkpoint with this SHA-256."""
        if self.checkpoint != checkpoint:
            raise InputError(
                f"{place}: made for checkpoint {self.checkpoint[:8]}, the run's newest is {checkpoint[:8]}: "
                "make another with jobs.detect train"
            )

    def to_json(self) -> bytes:
        return (json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n").encode()


def read_detector(url: str) -> Detector:
    """The detector in a file; InputError if it is none."""
    folder, name = split_url(url)
    try:
        return from_json(folder.read(name), place=url)
    except FileNotFoundError:
        raise InputError(f"{url}: no such file: jobs.detect train RUN --to {url} makes one") from None


def from_json(data: bytes, *, place: str) -> Detector:
    """The detector in a file's bytes; InputError, naming `place`, if it is none or of another version."""
    try:
        values = json.loads(data)
        if values.pop("format") != FORMAT:
            raise InputError(f"{place}: of another version than {FORMAT}: make it again with jobs.detect train")
        lengths = tuple(_at_length(one) for one in values.pop("lengths"))
        names, diversities = tuple(values.pop("features")), tuple(map(float, values.pop("diversities")))
        found = Detector(lengths=lengths, features=names, diversities=diversities, **values)
        if not lengths or type(found.checkpoint) is not str or not 0 < found.false_positive_rate < 1:
            raise ValueError("expected lengths, a checkpoint and a false positive rate between 0 and 1")
    except InputError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InputError(f"{place}: not a detector: {type(error).__name__} {error}") from None
    if found.features != tuple(FEATURES):
        raise InputError(f"{place}: made with other features: make it again with jobs.detect train")
    return found


def _at_length(values: Mapping[str, Any]) -> AtLength:
    arrays = {name: tuple(map(float, values[name])) for name in ("means", "scales", "coefficients")}
    found = AtLength(**{**values, **arrays})
    numbers = [found.intercept, found.threshold, *(number for array in arrays.values() for number in array)]
    if any(len(array) != len(FEATURES) for array in arrays.values()) or not all(map(math.isfinite, numbers)):
        raise ValueError(f"expected {len(FEATURES)} finite means, scales and coefficients")
    if type(found.chars) is not int or found.chars < 1 or min(found.scales) <= 0:
        raise ValueError(f"chars={found.chars!r}, scales={found.scales!r}")
    return found
