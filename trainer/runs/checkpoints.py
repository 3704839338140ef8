"""Checkpoints in a run's folder, and the one write that makes one count.

    checkpoints/step-00000120-1f3a90c2.safetensors     weights and optimizer, named by step and content
    checkpoint.json                                    the pointer: the checkpoints that are kept, newest first

A checkpoint is written to a local file, uploaded, and only then named in the pointer. The pointer is written
on the condition that it is still the one that this process last saw: of two processes that believe they own
a run, the second to write gets a Conflict and has changed nothing. Files that the new pointer does not name
are deleted after it stands. So at any instant the pointer names whole files, or there is none.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import safetensors
import safetensors.numpy

from preprocessing.errors import InputError
from preprocessing.storage.bucket import Bucket, VersionedObject, local_file
from trainer.model.state import Arrays
from trainer.runs import checkpoint_index
from trainer.runs.checkpoint_index import POINTER, Retention, Saved

log = logging.getLogger(__name__)

FOLDER = "checkpoints/"


@dataclass(frozen=True)
class Snapshot:
    """A run after `step` steps: copies of its weights and optimizer, the losses (nats per character) since the
    last row of metrics, and how well it predicts held-out text (nats per character), once that is known."""

    arrays: Arrays
    step: int
    epoch: int
    losses: tuple[float, ...] = ()
    validation: float | None = None


class Checkpoints:
    """The checkpoints of one run; at most one thread at a time may use it."""

    def __init__(self, store: Bucket, *, retention: Retention, scratch: Path) -> None:
        self._store, self._retention, self._scratch = store, retention, scratch
        self._pointer = VersionedObject(store, POINTER)
        self._saved: list[Saved] = []
        self._unnamed: set[str] | None = None  # files to delete; None: not looked yet for what a killed process left

    @property
    def saved(self) -> tuple[Saved, ...]:
        """Those that are kept, newest first."""
        return tuple(self._saved)

    @property
    def step(self) -> int:
        """After how many steps the newest one is; 0 without any."""
        return self._saved[0].step if self._saved else 0

    def restore(self) -> Snapshot | None:
        """The newest checkpoint that is whole, or None in a run that has none yet.

        A damaged one is reported and the one before it taken. InputError if the pointer cannot be read or
        none of its checkpoints is whole: to start from scratch would throw a run away.
        """
        data = self._pointer.read()
        if data is None:
            return None
        named = checkpoint_index.parse(data, where=f"{self._store.url}/{POINTER}")
        for place, saved in enumerate(named):
            try:
                arrays = _load(self._store, saved.file, saved.sha256, self._scratch)
            except (FileNotFoundError, InputError) as error:
                if self._pointer.read() != data:
                    return self.restore()  # another process trains on, and deleted it after a newer one stood
                log.error("checkpoint of step %d is damaged, trying the one before: %s", saved.step, error)
            else:
                self._saved = named[place:]  # a damaged one must not count among the newest that are kept
                return Snapshot(arrays, saved.step, saved.epoch, saved.losses, saved.validation)
        raise InputError(
            f"{self._store.url}: none of the {len(named)} checkpoints named in {POINTER} is whole; "
            "put one back, or use another run name to start afresh"
        )

    def commit(self, snapshot: Snapshot, validated: Mapping[int, float] = MappingProxyType({})) -> None:
        """Returns once the snapshot stands; of the step that already does, only its validation loss is added.

        `validated`: validation losses by step, that the checkpoints before it are still to be given.
        Raises InputError, with nothing changed, if a weight is not finite; OSError if the disk or the store fails:
        then what stood before still does.
        """
        if snapshot.validation is not None:
            validated = {**validated, snapshot.step: snapshot.validation}
        saved = [replace(one, validation=validated.get(one.step, one.validation)) for one in self._saved]
        if snapshot.step != self.step:
            saved = [self._upload(snapshot), *saved]
        elif saved == self._saved:
            return
        kept = self._retention.kept(saved)
        self._pointer.write(checkpoint_index.to_json(kept))
        if snapshot.step != self.step:
            log.info("checkpoint of step %d: %.1f MB", snapshot.step, kept[0].bytes / 1e6)
        self._saved = kept
        self._sweep(kept, dropped={one.file for one in saved})

    def _upload(self, snapshot: Snapshot) -> Saved:
        for name, array in snapshot.arrays.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise InputError(not_finite(f"{name} is not finite", step=snapshot.step, epoch=snapshot.epoch))
        local = self._scratch / "saving.safetensors"
        try:
            safetensors.numpy.save_file(dict(snapshot.arrays), local)
            sha256, size = digest(local), local.stat().st_size
            name = f"{FOLDER}step-{snapshot.step:08}-{sha256[:8]}.safetensors"
            if self._unnamed is not None:
                self._unnamed.add(name)  # before: an upload that is said to have failed may have been carried out
            self._store.upload(local, name)
        except safetensors.SafetensorError as error:
            raise OSError(f"{local}: {error}") from None  # a full disk, say
        finally:
            local.unlink(missing_ok=True)
        return Saved(
            step=snapshot.step,
            epoch=snapshot.epoch,
            losses=snapshot.losses,
            validation=snapshot.validation,
            file=name,
            bytes=size,
            sha256=sha256,
        )

    def _sweep(self, kept: Sequence[Saved], *, dropped: set[str]) -> None:
        """Deletes what the pointer, which is ours now, does not name; another process' would be in Conflict."""
        try:
            if self._unnamed is None:
                self._unnamed = set(self._store.names(FOLDER))
            self._unnamed = (self._unnamed | dropped) - {one.file for one in kept}
            for name in sorted(self._unnamed):
                self._store.delete(name)
                self._unnamed.discard(name)
        except OSError as error:
            log.warning("old checkpoints are deleted at the next save: %s", error)


def not_finite(what: str, *, step: int, epoch: int) -> str:
    """The message for a run that has gone astray."""
    return (
        f"{what} at step {step} of epoch {epoch}: lower learning_rate, or clip_norm (0 does not clip), and use "
        "another run name; the last checkpoint is from before"
    )


def newest(store: Bucket, scratch: Path) -> Snapshot:
    """The newest whole checkpoint of a run that is only read; InputError if there is none."""
    return newest_saved(store, scratch)[1]


def newest_saved(store: Bucket, scratch: Path) -> tuple[Saved, Snapshot]:
    """The same with what the pointer says of it."""
    checkpoints = Checkpoints(store, retention=Retention(1), scratch=scratch)
    found = checkpoints.restore()
    if found is None:
        raise InputError(f"{store.url}: no {POINTER}: a run without a checkpoint yet: train on, or wait for its first")
    return checkpoints.saved[0], found


def load_exactly(store: Bucket, file: str, sha256: str, scratch: Path) -> Arrays:
    """The arrays of this one checkpoint of a run, whatever the run did since; InputError if it is gone or altered."""
    try:
        return _load(store, file, sha256, scratch)
    except FileNotFoundError:
        raise InputError(f"{store.url}/{file}: missing") from None
    except InputError as error:
        raise InputError(f"{store.url}/{error}") from None


def _load(store: Bucket, file: str, sha256: str, scratch: Path) -> Arrays:
    """A checkpoint's arrays. FileNotFoundError if it is gone, InputError if it is not what was saved."""
    with local_file(store, file, scratch) as path:
        found = digest(path)
        if found != sha256:
            raise InputError(f"{file}: SHA-256 {found}, expected {sha256}")
        try:
            return safetensors.numpy.load_file(path)
        except safetensors.SafetensorError as error:
            raise InputError(f"{file}: {error}") from None


def digest(path: Path) -> str:
    """A file's SHA-256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
