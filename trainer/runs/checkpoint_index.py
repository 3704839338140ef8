"""checkpoint.json: which checkpoints a run has, and which of them it keeps.

{"format": 2, "checkpoints": [{"step", "epoch", "losses", "validation", "file", "bytes", "sha256"}, ...]}
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from preprocessing.errors import InputError
from preprocessing.storage.bucket import Store

POINTER = "checkpoint.json"  # a run has begun once it is there
FORMAT = 2


@dataclass(frozen=True)
class Saved:
    """A checkpoint's file. `losses` are those since the last row of metrics, `validation` the loss on held-out text
    once it is known, at an epoch's end; all in nats per character."""

    step: int
    epoch: int
    losses: tuple[float, ...]
    validation: float | None
    file: str
    bytes: int
    sha256: str

    def ends(self, steps: int) -> bool:
        """Whether a run of so many steps is at its end with it, and all that it writes in the store."""
        # The validation loss is known after the last samples, and written last.
        return self.step == steps and self.validation is not None


@dataclass(frozen=True)
class Retention:
    """The checkpoints that are kept: the newest `newest`, the one with the lowest validation loss, and the one
    at the end of each `every_epochs`-th epoch (0: none)."""

    newest: int
    every_epochs: int = 0

    def kept(self, saved: Sequence[Saved]) -> list[Saved]:
        """Of checkpoints, newest first, those that are kept; of equally good ones the newest is the best."""
        validated = [one for one in saved if one.validation is not None]  # which is what an epoch's end has
        best = min(validated, key=lambda one: one.validation or 0.0, default=None)
        return [
            one
            for place, one in enumerate(saved)
            if place < self.newest
            or one is best
            or (self.every_epochs and one.validation is not None and one.epoch % self.every_epochs == 0)
        ]


def to_json(saved: Sequence[Saved]) -> bytes:
    """The pointer that names these checkpoints, newest first."""
    return json.dumps({"format": FORMAT, "checkpoints": [asdict(one) for one in saved]}, indent=1).encode()


def parse(data: bytes, *, place: str) -> list[Saved]:
    """The checkpoints that a pointer names, at least one; InputError, naming `place`, for anything else."""
    try:
        pointer = json.loads(data)
        if pointer["format"] > FORMAT:
            raise InputError(f"{place}: format {pointer['format']}, expected at most {FORMAT}: of a newer version")
        saved = [_one(values) for values in pointer["checkpoints"]]
        if not saved:
            raise ValueError("no checkpoints in it")
    except InputError:
        raise
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{place}: not a checkpoint pointer: {type(error).__name__} {error}") from None
    return saved


def newest(store: Store) -> Saved | None:
    """The newest checkpoint that the run's pointer names, None before the first; InputError if it is damaged."""
    try:
        data, _ = store.read_versioned(POINTER)
    except FileNotFoundError:
        return None
    return parse(data, place=f"{store.url}/{POINTER}")[0]


def is_complete(store: Store, *, steps: int) -> bool:
    """Whether a run of so many steps is at its end, with all that it writes in the store."""
    saved = newest(store)
    return saved is not None and saved.ends(steps)


def _one(values: Mapping[str, Any]) -> Saved:
    saved = Saved(**{"validation": None, **values, "losses": tuple(float(loss) for loss in values["losses"])})
    if type(saved.step) is not int or type(saved.epoch) is not int or saved.step < 1:
        raise ValueError(f"step={saved.step!r}, epoch={saved.epoch!r}")
    if saved.validation is not None and type(saved.validation) is not float:
        raise ValueError(f"validation={saved.validation!r}")
    if not re.fullmatch(r"checkpoints/\w[-.\w]*", saved.file):
        raise ValueError(f"file={saved.file!r}")
    return saved
