"""What was decided of a candidate for production, and why.

It stands beside current.json, in MODELS/reports/<first 8 of the dataset's fingerprint>-<the run's name>.md for
people (report.py) and .json for programs, whether the candidate was promoted or not.
"""

from dataclasses import asdict, dataclass
from typing import Any

from jobs.promotion.registry import Model, Models
from preprocessing.json_format import parse_json

REPORTS = "reports"


@dataclass(frozen=True)
class Judged:
    """The run at this URL at one checkpoint, and how well that predicts the `chars` characters on which it is judged.

    The names are those of current.json and of a report.
    """

    run: str
    checkpoint: str
    sha256: str
    step: int
    chars: int
    bits_per_char: float


@dataclass(frozen=True)
class Verdict:
    """On a split of the dataset with the fingerprint `dataset`, at the time `decided`.

    `replaces` is the number of the model in production, `production` that model judged on the same characters:
    None where there is none, or where nothing is compared because someone decided so.
    """

    candidate: Judged
    production: Judged | None
    replaces: int | None
    dataset: str
    split: str
    min_gain_bits: float
    decided: str

    @property
    def gain_bits(self) -> float | None:
        """How many bits per character the candidate needs less than production; None where nothing is compared."""
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
        said = f"{'better' if gain >= 0 else 'worse'} by {abs(gain):.4f} bits per character"
        return said if self.promoted else f"{said}, min_gain_bits={self.min_gain_bits:g} were expected"

    @property
    def name(self) -> str:
        """The reports' names in the models' folder, but for their endings."""
        return f"{REPORTS}/{self.dataset[:8]}-{self.candidate.run.rstrip('/').rpartition('/')[2]}"

    def model(self) -> Model:
        """The candidate as the new production."""
        return Model(
            number=(self.replaces or 0) + 1,
            **asdict(self.candidate),
            dataset=self.dataset,
            split=self.split,
            gain_bits=self.gain_bits,
            reason=self.reason,
            promoted=self.decided,
            previous=self.replaces,
        )

    def values(self) -> dict[str, Any]:
        """The report for programs."""
        decision = {"promoted": self.promoted, "reason": self.reason, "gain_bits": self.gain_bits}
        production = self.production and {"number": self.replaces, **asdict(self.production)}
        return {**decision, **asdict(self), "production": production}


@dataclass(frozen=True)
class _Report:
    """Of a Verdict's `values`, those that are read back."""

    dataset: str
    decided: str
    promoted: bool
    reason: str


def earlier(models: Models, dataset: str) -> str | None:
    """What became of a candidate that was judged on the dataset of this fingerprint, in words; None without one.

    InputError if a report is damaged.
    """
    for model in reversed(models.history):
        if model.dataset == dataset:
            return f"promoted as number {model.number} on {model.promoted}"
    for name in models.bucket.names(f"{REPORTS}/{dataset[:8]}-"):
        if name.endswith(".json"):
            report = parse_json(_Report, models.bucket.read(name), what="a report", where=f"{models.url}/{name}")
            if report.dataset == dataset and not report.promoted:
                return f"refused on {report.decided}: {report.reason}"
    return None
