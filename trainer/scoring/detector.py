"""A detector of generated reviews: a JSON file of numbers, for one checkpoint of one run.

For each of a few lengths it has a logistic regression on the features of scores.py and a threshold. A text is
judged by its first characters, as many as the greatest of the lengths that it has: so what is judged is always what
was calibrated. The file holds no code; whatever it says is checked when it is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from pydantic import Field, FiniteFloat, with_config

from preprocessing.errors import InputError
from preprocessing.json_format import FORBID_UNKNOWN_KEYS, Count, PositiveInt, encode_json, parse_json
from preprocessing.storage.urls import split_url
from trainer.scoring.scores import FEATURES, Scores, features

FORMAT = 1

Scale = Annotated[FiniteFloat, Field(gt=0)]
OnePerFeature = Field(min_length=len(FEATURES), max_length=len(FEATURES))


@with_config(FORBID_UNKNOWN_KEYS)
@dataclass(frozen=True)
class AtLength:
    """For the first `chars` characters: generated if the log-odds, which are
    intercept + sum of coefficients * (features - means) / scales, are above the threshold.

    genuine, generated: how many texts it was made from.
    """

    chars: PositiveInt
    means: Annotated[tuple[FiniteFloat, ...], OnePerFeature]
    scales: Annotated[tuple[Scale, ...], OnePerFeature]
    coefficients: Annotated[tuple[FiniteFloat, ...], OnePerFeature]
    intercept: FiniteFloat
    threshold: FiniteFloat
    genuine: Count
    generated: Count

    def log_odds(self, scores: Scores) -> float:
        """Of a text of at least `chars` characters, its end not counted."""
        found = (features(scores.first(self.chars)) - self.means) / self.scales
        return float(self.intercept + found @ np.array(self.coefficients))


@with_config(FORBID_UNKNOWN_KEYS)
@dataclass(frozen=True)
class Detector:
    """checkpoint: the SHA-256 of the weights whose scores it judges. false_positive_rate: the share of the genuine
    texts that the thresholds let pass for generated. versions: of what it was made with."""

    format: PositiveInt = field(default=FORMAT, kw_only=True)
    checkpoint: str
    false_positive_rate: Annotated[float, Field(gt=0, lt=1)]
    diversities: tuple[float, ...]
    features: tuple[str, ...]
    lengths: Annotated[tuple[AtLength, ...], Field(min_length=1)]
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

    def check(self, checkpoint: str, *, where: str) -> None:
        """InputError, naming `where`, unless it is for the checkpoint with this SHA-256."""
        if self.checkpoint != checkpoint:
            raise InputError(
                f"{where}: made for checkpoint {self.checkpoint[:8]}, the run's newest is {checkpoint[:8]}: "
                "make another with jobs.detect train"
            )

    def to_json(self) -> bytes:
        return encode_json(self)


def read_detector(url: str) -> Detector:
    """The detector in a file; InputError if it is none."""
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
