"""The samples of an epoch: samples/epoch-003.txt for people, and samples/epoch-003.json with the same content."""

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
    """The samples written after an epoch."""

    epoch: int
    step: int
    samples: tuple[Sample, ...]

    @property
    def name(self) -> str:
        """The name of the epoch's two objects, without .txt and .json."""
        return f"{FOLDER}epoch-{self.epoch:03}"

    def objects(self) -> dict[str, bytes]:
        """Return both objects by name."""
        return {f"{self.name}.txt": self._text().encode(), f"{self.name}.json": encode_json(self)}

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
    """Return the samples of all epochs so far, in order. Raises InputError, with its name, for a damaged object."""
    return [_read(bucket, name) for name in _names(bucket)]


def read_last_samples(bucket: Bucket) -> EpochSamples | None:
    """Return the samples of the last epoch; None before the end of the first epoch."""
    names = _names(bucket)
    return _read(bucket, names[-1]) if names else None


def _names(bucket: Bucket) -> list[str]:
    names = [name for name in bucket.names(FOLDER) if name.endswith(".json")]
    return sorted(names, key=lambda name: (len(name), name))  # epoch-1000 comes after epoch-999


def _read(bucket: Bucket, name: str) -> EpochSamples:
    return parse_samples(bucket.read(name), where=f"{bucket.url}/{name}")
