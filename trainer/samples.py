"""The samples of an epoch: samples/epoch-003.txt to read, and the same as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from preprocessing.errors import InputError


@dataclass(frozen=True)
class Sample:
    """What a model made of a prompt at one diversity."""

    diversity: float
    prompt: str
    text: str


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


def from_json(data: bytes, *, place: str) -> list[Sample]:
    """The samples in such an object; InputError, naming `place`, if it is none."""
    try:
        return [Sample(**sample) for sample in json.loads(data)["samples"]]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{place}: not an epoch's samples: {type(error).__name__} {error}") from None
