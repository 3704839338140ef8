"""The decision on a candidate for production, and its reason.

Each decision is kept beside current.json, promoted or not, as MODELS/reports/NAME.md for people
(decision_report.py) and as NAME.json for programs. NAME is the first 8 characters of the dataset's fingerprint, a
hyphen, and the run's name.
"""

from dataclasses import asdict, dataclass
from typing import Any

from jobs.promotion.registry import ModelRegistry, PromotedModel
from preprocessing.json_format import parse_json
from preprocessing.storage.urls import last_part

REPORTS = "reports"


@dataclass(frozen=True)
class EvaluatedModel:
    """A checkpoint of a run, and its loss over `chars` characters. The names are JSON keys of reports/*.json."""

    run: str
    checkpoint: str
    sha256: str
    step: int
    chars: int
    bits_per_char: float


@dataclass(frozen=True)
class Decision:
    """The decision at time `decided`, from losses on a split of the dataset with fingerprint `dataset`.

    `replaces` is the number of the model in production, None before the first promotion. `production` is that model
    evaluated on the same characters, None without comparison.
    """

    candidate: EvaluatedModel
    production: EvaluatedModel | None
    replaces: int | None
    dataset: str
    split: str
    min_gain_bits: float
    decided: str

    @property
    def gain_bits(self) -> float | None:
        """Bits per character that the candidate gains over production, None without comparison."""
        if self.production is None:
            return None
        return self.production.bits_per_char - self.candidate.bits_per_char

    @property
    def promoted(self) -> bool:
        return self.gain_bits is None or self.gain_bits >= self.min_gain_bits

    @property
    def reason(self) -> str:
        gain = self.gain_bits
        if gain is None:
            return "first model" if self.replaces is None else "promoted by hand, without comparison"
        difference = f"{'better' if gain >= 0 else 'worse'} by {abs(gain):.4f} bits per character"
        return difference if self.promoted else f"{difference}, expected min_gain_bits={self.min_gain_bits:g}"

    @property
    def name(self) -> str:
        """The name of both reports in the folder of models, without .md and .json."""
        return f"{REPORTS}/{self.dataset[:8]}-{last_part(self.candidate.run)}"

    def promoted_model(self) -> PromotedModel:
        """Return the candidate as the registry's next entry."""
        return PromotedModel(
            number=(self.replaces or 0) + 1,
            **asdict(self.candidate),
            dataset=self.dataset,
            split=self.split,
            gain_bits=self.gain_bits,
            reason=self.reason,
            promoted=self.decided,
            previous=self.replaces,
        )

    def as_json(self) -> dict[str, Any]:
        """Return the JSON values of the report for programs."""
        decision = {"promoted": self.promoted, "reason": self.reason, "gain_bits": self.gain_bits}
        production = self.production and {"number": self.replaces, **asdict(self.production)}
        return {**decision, **asdict(self), "production": production}


@dataclass(frozen=True)
class _Report:
    """The part of Decision.as_json that is read back."""

    dataset: str
    decided: str
    promoted: bool
    reason: str


def earlier_decision(registry: ModelRegistry, fingerprint: str) -> str | None:
    """Describe the decision on an earlier candidate of the same dataset; return None if there is none.

    Raises InputError if a report is damaged.
    """
    for model in reversed(registry.history):
        if model.dataset == fingerprint:
            return f"promoted as number {model.number} on {model.promoted}"
    for name in registry.bucket.names(f"{REPORTS}/{fingerprint[:8]}-"):
        if name.endswith(".json"):
            report = parse_json(_Report, registry.bucket.read(name), what="a report", where=f"{registry.url}/{name}")
            if report.dataset == fingerprint and not report.promoted:
                return f"refused on {report.decided}: {report.reason}"
    return None
