"""checkpoint.json: which checkpoints a run has, and which of them it keeps.

{"format": 2, "checkpoints": [{"step", "epoch", "losses", "validation", "file", "bytes", "sha256"}, ...]}
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, with_config

from preprocessing.json_format import FORBID_UNKNOWN_KEYS, Count, PositiveInt, encode_json, parse_json
from preprocessing.storage.bucket import Bucket

POINTER = "checkpoint.json"  # a run has begun once it is there
FORMAT = 2


@with_config(FORBID_UNKNOWN_KEYS)
@dataclass(frozen=True, kw_only=True)
class Saved:
    """A checkpoint's file. `losses` are those since the last row of metrics, `validation` the loss on held-out text
    once it is known, at an epoch's end; all in nats per character."""

    step: PositiveInt
    epoch: int
    losses: tuple[float, ...]
    validation: float | None = None  # as in format 1, which does not have it
    file: Annotated[str, Field(pattern=r"^checkpoints/\w[-.\w]*$")]
    bytes: Count
    sha256: str

    def ends(self, steps: int) -> bool:
        """Whether a run of so many steps is at its end with it, and all that it writes in the store."""
        # The validation loss is known after the last samples, and written last.
        return self.step == steps and self.validation is not None


@dataclass(frozen=True)
class _Index:
    format: PositiveInt
    checkpoints: Annotated[tuple[Saved, ...], Field(min_length=1)]


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
    """The index that names these checkpoints, newest first."""
    return encode_json(_Index(FORMAT, tuple(saved)), end="")


def parse(data: bytes, *, where: str) -> list[Saved]:
    """Return the checkpoints that an index names, at least one. Raises InputError, which names `where`, otherwise."""
    index = parse_json(_Index, data, what="a checkpoint index", where=where, newest_format=FORMAT)
    return list(index.checkpoints)


def newest(store: Bucket) -> Saved | None:
    """The newest checkpoint that the run's pointer names, None before the first; InputError if it is damaged."""
    try:
        data, _ = store.read_versioned(POINTER)
    except FileNotFoundError:
        return None
    return parse(data, where=f"{store.url}/{POINTER}")[0]


def is_complete(store: Bucket, *, steps: int) -> bool:
    """Whether a run of so many steps is at its end, with all that it writes in the store."""
    saved = newest(store)
    return saved is not None and saved.ends(steps)
