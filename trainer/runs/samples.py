"""The samples of an epoch: samples/epoch-003.txt to read, and the same as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass

from preprocessing.json_format import encode_json, parse_json
from preprocessing.storage.bucket import Bucket

FOLDER = "samples/"


@dataclass(frozen=True)
class Sample:
    """What a model made of a prompt at one diversity."""

    diversity: float
    prompt: str
    text: str


@dataclass(frozen=True)
class Epoch:
    """The samples written after an epoch."""

    epoch: int
    step: int
    samples: tuple[Sample, ...]


def name_of(epoch: int) -> str:
    """The name of the epoch's two objects, but for their .txt and .json."""
    return f"{FOLDER}epoch-{epoch:03}"


def read(store: Bucket) -> list[Epoch]:
    """Those of all epochs so far, in order; InputError, naming the object, where one is damaged."""
    return [_read(store, name) for name in _names(store)]


def last(store: Bucket) -> Epoch | None:
    """Those of the last epoch alone; None before the first epoch's end."""
    names = _names(store)
    return _read(store, names[-1]) if names else None


def as_text(samples: Sequence[Sample], *, title: str) -> str:
    """All samples under a line each with their diversity; a shared prompt once, at the top."""
    prompts = list(dict.fromkeys(sample.prompt for sample in samples))
    parts = [title]
    for prompt in prompts:
        parts.append(f"prompt:\n{prompt}")
        parts += [f"diversity {s.diversity:g}:\n{s.text}" for s in samples if s.prompt == prompt]
    return "\n\n".join(parts) + "\n"


def as_json(samples: Sequence[Sample], *, epoch: int, step: int) -> bytes:
    """One object: epoch, step and the list of samples."""
    return encode_json(Epoch(epoch, step, tuple(samples)))


def from_json(data: bytes, *, where: str) -> Epoch:
    """Return the epoch that `as_json` wrote. Raises InputError, which names `where`, otherwise."""
    return parse_json(Epoch, data, what="an epoch's samples", where=where)


def _names(store: Bucket) -> list[str]:
    """The JSON objects in the order of their epochs."""
    names = [name for name in store.names(FOLDER) if name.endswith(".json")]
    return sorted(names, key=lambda name: (len(name), name))  # epoch-1000 is after epoch-999


def _read(store: Bucket, name: str) -> Epoch:
    data, _ = store.read_versioned(name)
    return from_json(data, where=f"{store.url}/{name}")
