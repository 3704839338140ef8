"""The samples of an epoch: samples/epoch-003.txt to read, and the same as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from preprocessing.errors import InputError
from preprocessing.storage.bucket import Store

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


def read(store: Store) -> list[Epoch]:
    """Those of all epochs so far, in order; InputError, naming the object, where one is damaged."""
    return [_read(store, name) for name in _names(store)]


def last(store: Store) -> Epoch | None:
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


def as_json(samples: Sequence[Sample], *, epoch: int, step: int) -> str:
    """One object: epoch, step and the list of samples."""
    found = [asdict(sample) for sample in samples]
    return json.dumps({"epoch": epoch, "step": step, "samples": found}, indent=1, ensure_ascii=False) + "\n"


def from_json(data: bytes, *, place: str) -> Epoch:
    """What `as_json` wrote; InputError, naming `place`, for anything else."""
    try:
        found = json.loads(data)
        samples = tuple(Sample(float(s["diversity"]), str(s["prompt"]), str(s["text"])) for s in found["samples"])
        return Epoch(int(found["epoch"]), int(found["step"]), samples)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{place}: not an epoch's samples: {type(error).__name__} {error}") from None


def _names(store: Store) -> list[str]:
    """The JSON objects in the order of their epochs."""
    names = [name for name in store.names(FOLDER) if name.endswith(".json")]
    return sorted(names, key=lambda name: (len(name), name))  # epoch-1000 is after epoch-999


def _read(store: Store, name: str) -> Epoch:
    data, _ = store.read_versioned(name)
    return from_json(data, place=f"{store.url}/{name}")
