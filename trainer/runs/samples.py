"""The samples of an epoch: samples/epoch-003.txt for people, and samples/epoch-003.json with the same content.

Samples from within an epoch are samples/epoch-003-step-0001200.txt and .json.
"""

import math
import re
from dataclasses import dataclass

from preprocessing.json_format import encode_json, parse_json
from preprocessing.storage.bucket import Bucket

FOLDER = "samples/"


@dataclass(frozen=True)
class Sample:
    """A text that a model wrote after a prompt, at one diversity."""

    diversity: float
    prompt: str
    text: str


@dataclass(frozen=True)
class EpochSamples:
    """The samples written after an epoch, or after a validation within it."""

    epoch: int
    step: int
    samples: tuple[Sample, ...]

    def objects(self, *, within_epoch: bool = False) -> dict[str, bytes]:
        """Return both objects by name."""
        step = f"-step-{self.step:07}" if within_epoch else ""
        name = f"{FOLDER}epoch-{self.epoch:03}{step}"
        return {f"{name}.txt": self._text().encode(), f"{name}.json": encode_json(self)}

    def _text(self) -> str:
        """Return all samples below their diversity. A prompt that several samples share is shown once."""
        parts = [f"epoch {self.epoch}, step {self.step}"]
        for prompt in dict.fromkeys(sample.prompt for sample in self.samples):
            parts.append(f"prompt:\n{prompt}")
            parts += [f"diversity {s.diversity:g}:\n{s.text}" for s in self.samples if s.prompt == prompt]
        return "\n\n".join(parts) + "\n"


def parse_samples(data: bytes, *, where: str) -> EpochSamples:
    """Return the samples of a .json object. Raises InputError, which names `where`, otherwise."""
    return parse_json(EpochSamples, data, what="an epoch's samples", where=where)


def read_samples(bucket: Bucket) -> list[EpochSamples]:
    """Return all samples so far, in order. Raises InputError, with its name, for a damaged object."""
    return [_read(bucket, name) for name in _names(bucket)]


def read_last_samples(bucket: Bucket) -> EpochSamples | None:
    """Return the last samples; None before the first validation."""
    names = _names(bucket)
    return _read(bucket, names[-1]) if names else None


def _names(bucket: Bucket) -> list[str]:
    return sorted((name for name in bucket.names(FOLDER) if name.endswith(".json")), key=_position)


def _position(name: str) -> tuple[float, float]:
    """Return the epoch and the step in an object's name. The end of an epoch comes after all steps within it."""
    epoch, step, *_ = [*map(float, re.findall(r"\d+", name)), math.inf, math.inf]
    return epoch, step


def _read(bucket: Bucket, name: str) -> EpochSamples:
    return parse_samples(bucket.read(name), where=f"{bucket.url}/{name}")
