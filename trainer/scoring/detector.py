"""A detector of generated reviews: a JSON file of numbers, for one checkpoint of one run.

For each of a few lengths it has a logistic regression on the features of scores.py, and a threshold. A text is judged
by its first characters: the greatest of these lengths that the text has. So a threshold is applied only to texts of
the length that it was set for. The file contains no code, and everything in it is checked when it is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from pydantic import Field, FiniteFloat, with_config

from preprocessing.errors import InputError
from preprocessing.json_format import FORBID_UNKNOWN_KEYS, Count, PositiveCount, encode_json, parse_json
from preprocessing.storage.urls import split_url
from trainer.scoring.scores import FEATURES, Scores, compute_features

FORMAT = 1

Scale = Annotated[FiniteFloat, Field(gt=0)]
OnePerFeature = Field(min_length=len(FEATURES), max_length=len(FEATURES))


@with_config(FORBID_UNKNOWN_KEYS)
@dataclass(frozen=True)
class LengthClassifier:
    """A logistic regression on the first `chars` characters. A text counts as generated above the threshold.

    The log-odds are intercept + sum of coefficients * (features - means) / scales.
    genuine, generated: numbers of texts that the regression was fitted to.
    """

    chars: PositiveCount
    means: Annotated[tuple[FiniteFloat, ...], OnePerFeature]
    scales: Annotated[tuple[Scale, ...], OnePerFeature]
    coefficients: Annotated[tuple[FiniteFloat, ...], OnePerFeature]
    intercept: FiniteFloat
    threshold: FiniteFloat
    genuine: Count
    generated: Count

    def log_odds(self, scores: Scores) -> float:
        """Return the log-odds that a text is generated. It has at least `chars` characters, without its end."""
        scaled = (compute_features(scores.first(self.chars)) - self.means) / self.scales
        return float(self.intercept + scaled @ np.array(self.coefficients))


@with_config(FORBID_UNKNOWN_KEYS)
@dataclass(frozen=True)
class Detector:
    """A classifier for each length, and the origin of all.

    checkpoint: SHA-256 of the checkpoint whose scores are judged.
    false_positive_rate: share of genuine texts above the thresholds.
    diversities: diversities of the generated texts.
    features: names of the features, in order.
    versions: versions of the packages that the detector was made with.
    """

    format: PositiveCount = field(default=FORMAT, kw_only=True)
    checkpoint: str
    false_positive_rate: Annotated[float, Field(gt=0, lt=1)]
    diversities: tuple[float, ...]
    features: tuple[str, ...]
    lengths: Annotated[tuple[LengthClassifier, ...], Field(min_length=1)]
    versions: Mapping[str, str]

    def classifier_for(self, chars: int) -> LengthClassifier | None:
        """Return the classifier for a text of `chars` characters, or None if the text is too short."""
        fitting = (classifier for classifier in self.lengths if classifier.chars <= chars)
        return max(fitting, key=lambda classifier: classifier.chars, default=None)

    def judge(self, scores: Scores) -> dict[str, Any]:
        """Return the verdict on a whole text, as JSON values. The scores have no closing brace."""
        classifier = self.classifier_for(len(scores))
        if classifier is None:
            return {"verdict": "too short", "judged_chars": 0}
        log_odds = classifier.log_odds(scores)
        return {
            "verdict": "generated" if log_odds > classifier.threshold else "not detected",
            "judged_chars": classifier.chars,
            "log_odds": round(log_odds, 4),
            "threshold": round(classifier.threshold, 4),
        }

    def require_checkpoint(self, checkpoint: str, *, where: str) -> None:
        """Raise InputError, which names `where`, unless the detector is for the checkpoint with this SHA-256."""
        if self.checkpoint != checkpoint:
            raise InputError(
                f"{where}: made for checkpoint {self.checkpoint[:8]}, the run's newest is {checkpoint[:8]}: "
                "make another with jobs.detect train"
            )

    def to_json(self) -> bytes:
        """Return the detector as a file's bytes."""
        return encode_json(self)


def read_detector(url: str) -> Detector:
    """Read a detector from a file. Raises InputError for a missing file or any other file."""
    folder, name = split_url(url)
    try:
        return parse_detector(folder.read(name), where=url)
    except FileNotFoundError:
        raise InputError(f"{url}: no such file: jobs.detect train RUN --to {url} makes one") from None


def parse_detector(data: bytes, *, where: str) -> Detector:
    """Return the detector in a file's bytes. Raises InputError, which names `where`, for any other file."""
    detector = parse_json(Detector, data, what="a detector", where=where, newest_format=FORMAT)
    if detector.features != tuple(FEATURES):
        raise InputError(f"{where}: made with other features: make it again with jobs.detect train")
    return detector
