"""Checkpoints in a run's folder, committed by one conditional write.

    checkpoints/step-00000120-1f3a90c2.safetensors     weights and optimizer, named by step and content
    checkpoint.json                                    the checkpoint index: the checkpoints that are kept

A checkpoint is written to a local file, uploaded, and only then named in the index. The index is written with
compare-and-swap: if two processes believe that they own a run, the second to write gets a Conflict and has changed
nothing. So at any instant every file that the index names is complete.

The folder is listed before the index is written, and files that the new index does not name are deleted after it. A
process that uploaded such a file read an older index, so it can no longer name the file. What comes late, from a
process that lost the run, is deleted at the next start.
"""

import logging
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import safetensors
import safetensors.numpy

from preprocessing.errors import InputError
from preprocessing.storage.bucket import Bucket, VersionedObject, local_file
from preprocessing.storage.checksum import hash_file
from trainer.config import CheckpointChoice
from trainer.model.state import Arrays
from trainer.runs.checkpoint_index import (
    CHECKPOINT_INDEX,
    CheckpointEntry,
    Position,
    Retention,
    choose_entry,
    encode_index,
    no_checkpoint,
    parse_index,
)

log = logging.getLogger(__name__)

FOLDER = "checkpoints/"


@dataclass(frozen=True)
class Snapshot:
    """A run at one position, with copies of its weights and its optimizer."""

    position: Position
    arrays: Arrays


class Checkpoints:
    """The checkpoints of one run. At most one thread at a time may use them."""

    def __init__(self, bucket: Bucket, *, retention: Retention, scratch: Path) -> None:
        self._bucket, self._retention, self._scratch = bucket, retention, scratch
        self._index = VersionedObject(bucket, CHECKPOINT_INDEX)
        self._entries: list[CheckpointEntry] = []  # newest first
        self._unnamed: set[str] | None = None  # to delete; None: not listed, a killed process may have left some

    @property
    def step(self) -> int:
        """Steps before the newest checkpoint; 0 without a checkpoint."""
        return self._entries[0].step if self._entries else 0

    def restore(self) -> tuple[CheckpointEntry, Arrays] | None:
        """Return the newest undamaged checkpoint, or None if the run has no checkpoint yet.

        A damaged checkpoint is logged, and the checkpoint before it is used. Raises InputError if the index is
        damaged or if every checkpoint is: to start again from step 0 would throw the run away.
        """
        data = self._index.read()
        if data is None:
            return None
        entries = parse_index(data, where=f"{self._bucket.url}/{CHECKPOINT_INDEX}")
        for index, entry in enumerate(entries):
            try:
                arrays = _load(self._bucket, entry.file, entry.sha256, self._scratch)
            except (FileNotFoundError, InputError) as error:
                if self._index.read() != data:
                    return self.restore()  # another process trains on: it saved a newer checkpoint and deleted this one
                log.error("checkpoint of step %d is damaged, trying the one before: %s", entry.step, error)
            else:
                self._entries = entries[index:]  # a damaged checkpoint must not count among the newest that are kept
                return entry, arrays
        raise InputError(
            f"{self._bucket.url}: none of the {len(entries)} checkpoints named in {CHECKPOINT_INDEX} is whole; "
            "put one back, or use another run name to start afresh"
        )

    def commit(self, snapshot: Snapshot, validated: Mapping[int, float] = MappingProxyType({})) -> None:
        """Save the snapshot as the newest checkpoint. Of a step that is saved already, add only the validation loss.

        `validated` has validation losses by step, for entries that were saved without one.
        Raises InputError, with nothing changed, if a weight is not finite. Raises OSError if the disk or the bucket
        fails; then the checkpoints from before are still there. Raises Conflict if another process owns the run.
        """
        position = snapshot.position
        if position.validation is not None:
            validated = {**validated, position.step: position.validation}
        entries = [replace(e, validation=validated.get(e.step, e.validation)) for e in self._entries]
        is_new = position.step != self.step
        if is_new:
            entries = [self._upload(snapshot), *entries]
        elif entries == self._entries:
            return
        kept = self._retention.kept(entries)
        self._list_unnamed()
        self._index.write(encode_index(kept))
        if is_new:
            log.info("checkpoint of step %d: %.1f MB", position.step, kept[0].bytes / 1e6)
        self._entries = kept
        self._delete_unnamed(kept, dropped={entry.file for entry in entries})

    def sweep(self, *, is_complete: bool) -> None:
        """Delete files that the index does not name, and no process can name any more, at the start of a process.

        Such files are older than the index, or of any age if the run is complete.
        """
        try:
            written_seconds = self._bucket.stat(CHECKPOINT_INDEX).written_seconds
            data = self._bucket.read(CHECKPOINT_INDEX)  # after its time: a newer index only names files that are newer
            named = {entry.file for entry in parse_index(data, where=CHECKPOINT_INDEX)}
            for name, stat in self._bucket.stats(FOLDER).items():
                if name not in named and (is_complete or stat.written_seconds < written_seconds):
                    self._bucket.delete(name)
                    log.info("%s/%s is deleted: %s does not name it", self._bucket.url, name, CHECKPOINT_INDEX)
        except FileNotFoundError:
            return  # no checkpoint yet
        except OSError as error:
            log.warning("old checkpoints are deleted at the next save: %s", error)

    def _list_unnamed(self) -> None:
        """List the folder once, before the index is written: other processes cannot commit what is listed."""
        try:
            if self._unnamed is None:
                self._unnamed = set(self._bucket.names(FOLDER))
        except OSError as error:
            log.warning("old checkpoints are listed at the next save: %s", error)

    def _upload(self, snapshot: Snapshot) -> CheckpointEntry:
        _require_finite(snapshot)
        local, position = self._scratch / "saving.safetensors", snapshot.position
        try:
            safetensors.numpy.save_file(dict(snapshot.arrays), local)
            sha256, size = hash_file(local), local.stat().st_size
            name = f"{FOLDER}step-{position.step:08}-{sha256[:8]}.safetensors"
            if self._unnamed is not None:
                self._unnamed.add(name)  # before the upload, which may be carried out and yet raise OSError
            self._bucket.upload(local, name)
        except safetensors.SafetensorError as error:
            raise OSError(f"{local}: {error}") from None  # for instance a full disk
        finally:
            local.unlink(missing_ok=True)
        return CheckpointEntry(**vars(position), file=name, bytes=size, sha256=sha256)

    def _delete_unnamed(self, kept: Sequence[CheckpointEntry], *, dropped: set[str]) -> None:
        """Delete the files that the index does not name. The index was just written: this process owns the run."""
        if self._unnamed is None:
            return
        self._unnamed = (self._unnamed | dropped) - {entry.file for entry in kept}
        try:
            for name in sorted(self._unnamed):
                self._bucket.delete(name)
                self._unnamed.discard(name)
        except OSError as error:
            log.warning("old checkpoints are deleted at the next save: %s", error)


def diverged_message(what: str, *, step: int, epoch: int) -> str:
    """Return the message for a run whose loss or weights are no longer finite."""
    return (
        f"{what} at step {step} of epoch {epoch}: lower learning_rate, or clip_norm (0 does not clip), and use "
        "another run name; the last checkpoint is from before"
    )


def read_newest(bucket: Bucket, scratch: Path | None = None) -> tuple[CheckpointEntry, Arrays]:
    """Return the newest undamaged checkpoint of a run, which is only read. Raises InputError if there is none."""
    with nullcontext(scratch) if scratch else tempfile.TemporaryDirectory(prefix="weights-") as folder:
        restored = Checkpoints(bucket, retention=Retention(1), scratch=Path(folder)).restore()
    if restored is None:
        raise no_checkpoint(bucket)
    return restored


def read_chosen(
    bucket: Bucket, choice: CheckpointChoice, scratch: Path | None = None
) -> tuple[CheckpointEntry, Arrays]:
    """Return the checkpoint of a run that `choose_entry` chooses. The newest is the newest that is undamaged.

    Raises InputError if there is none, or if a best one or one of a step is damaged.
    """
    if choice == "newest":
        return read_newest(bucket, scratch)
    entry = choose_entry(bucket, choice)
    with nullcontext(scratch) if scratch else tempfile.TemporaryDirectory(prefix="weights-") as folder:
        return entry, read_checkpoint(bucket, entry.file, entry.sha256, Path(folder))


def read_checkpoint(bucket: Bucket, file: str, sha256: str, scratch: Path) -> Arrays:
    """Return the arrays of one checkpoint, however far the run is now. Raises InputError if it is gone or altered."""
    try:
        return _load(bucket, file, sha256, scratch)
    except FileNotFoundError:
        raise InputError(f"{bucket.url}/{file}: missing") from None
    except InputError as error:
        raise InputError(f"{bucket.url}/{error}") from None


def _load(bucket: Bucket, file: str, sha256: str, scratch: Path) -> Arrays:
    """Return a checkpoint's arrays. Raises FileNotFoundError if the file is gone, InputError if it is altered."""
    with local_file(bucket, file, scratch) as path:
        file_sha256 = hash_file(path)
        if file_sha256 != sha256:
            raise InputError(f"{file}: SHA-256 {file_sha256}, expected {sha256}")
        try:
            return safetensors.numpy.load_file(path)
        except safetensors.SafetensorError as error:
            raise InputError(f"{file}: {error}") from None


def _require_finite(snapshot: Snapshot) -> None:
    position = snapshot.position
    for name, array in snapshot.arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise InputError(diverged_message(f"{name} is not finite", step=position.step, epoch=position.epoch))
