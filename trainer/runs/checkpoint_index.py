"""checkpoint.json, the checkpoint index: the positions and files of a run's checkpoints, newest first.

{"format": 2, "checkpoints": [{"step", "epoch", "losses", "validation", "file", "bytes", "sha256"}, ...]}
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, with_config

from preprocessing.errors import InputError
from preprocessing.json_format import FORBID_UNKNOWN_KEYS, Count, PositiveCount, encode_json, parse_json
from preprocessing.storage.bucket import Bucket
from trainer.config import CheckpointChoice

CHECKPOINT_INDEX = "checkpoint.json"  # a run has begun once this object exists
FORMAT = 2
CheckpointFile = Annotated[str, Field(pattern=r"^checkpoints/\w[-.\w]*$")]


@dataclass(frozen=True, kw_only=True)
class Position:
    """All that a run needs to resume after `step` steps, beside its weights and its optimizer.

    `epoch` is the epoch of the last step, from 1; 0 before the first step.
    `losses` are the losses of the steps since the last metric row, in nats per character.
    `validation` is the loss on held-out text, in nats per character. It is known only after a validation.
    """

    step: Count = 0
    epoch: int = 0
    losses: tuple[float, ...] = ()
    validation: float | None = None  # missing in format 1


@with_config(FORBID_UNKNOWN_KEYS)
@dataclass(frozen=True, kw_only=True)
class CheckpointEntry(Position):
    """A checkpoint in the index: a position, and the file with the weights and the optimizer."""

    step: PositiveCount
    epoch: int
    losses: tuple[float, ...]
    file: CheckpointFile
    bytes: Count
    sha256: str


@dataclass(frozen=True)
class _Index:
    format: PositiveCount
    checkpoints: Annotated[tuple[CheckpointEntry, ...], Field(min_length=1)]


@dataclass(frozen=True)
class Retention:
    """The checkpoints to keep: the `newest`, the best by validation loss, and the validated one of each `every_steps`.

    With `every_steps` 0 no checkpoint is kept for its step. Of equal losses the newest is the best.
    """

    newest: int
    every_steps: int = 0

    def kept(self, entries: Sequence[CheckpointEntry]) -> list[CheckpointEntry]:
        """Return the entries to keep, in order. `entries` are newest first."""
        best = best_entry(entries)
        return [e for index, e in enumerate(entries) if index < self.newest or e is best or self._is_periodic(e)]

    def _is_periodic(self, entry: CheckpointEntry) -> bool:
        return entry.validation is not None and self.every_steps > 0 and entry.step % self.every_steps == 0


def encode_index(entries: Sequence[CheckpointEntry]) -> bytes:
    """Return the content of checkpoint.json. `entries` are newest first."""
    return encode_json(_Index(FORMAT, tuple(entries)), end="")


def parse_index(data: bytes, *, where: str) -> list[CheckpointEntry]:
    """Return the index's entries, at least one. Raises InputError, which names `where`, otherwise."""
    index = parse_json(_Index, data, what="a checkpoint index", where=where, newest_format=FORMAT)
    return list(index.checkpoints)


def read_index(bucket: Bucket) -> list[CheckpointEntry]:
    """Return a run's checkpoints, newest first. Raises InputError if there is none, or if the index is damaged."""
    try:
        return parse_index(bucket.read(CHECKPOINT_INDEX), where=f"{bucket.url}/{CHECKPOINT_INDEX}")
    except FileNotFoundError:
        raise no_checkpoint(bucket) from None


def no_checkpoint(bucket: Bucket) -> InputError:
    """Return the exception for a run without a checkpoint."""
    return InputError(
        f"{bucket.url}: no {CHECKPOINT_INDEX}: a run without a checkpoint yet: train on, or wait for its first"
    )


def choose_entry(bucket: Bucket, choice: CheckpointChoice) -> CheckpointEntry:
    """Return the newest checkpoint, the best by validation loss, or the checkpoint of a step.

    Raises InputError, which names the steps that there are, if the run has no such checkpoint.
    """
    entries = read_index(bucket)
    if choice == "newest":
        return entries[0]
    if choice == "best":
        best = best_entry(entries)
        if best is None:
            raise InputError(f"{bucket.url}: no checkpoint with a validation loss yet, expected a validation")
        return best
    for entry in entries:
        if entry.step == choice:
            return entry
    steps = ", ".join(str(entry.step) for entry in entries)
    raise InputError(f"{bucket.url}: no checkpoint of step {choice}, expected newest, best or a step of {steps}")


def best_entry(entries: Sequence[CheckpointEntry]) -> CheckpointEntry | None:
    """Return the entry with the lowest validation loss, or None. `entries` are newest first."""
    validated = [entry for entry in entries if entry.validation is not None]
    return min(validated, key=lambda entry: entry.validation or 0.0, default=None)


def newest_entry(bucket: Bucket) -> CheckpointEntry | None:
    """Return the newest checkpoint of a run, or None before its first. Raises InputError if the index is damaged."""
    try:
        data = bucket.read(CHECKPOINT_INDEX)
    except FileNotFoundError:
        return None
    return parse_index(data, where=f"{bucket.url}/{CHECKPOINT_INDEX}")[0]
