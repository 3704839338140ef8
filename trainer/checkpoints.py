"""Checkpoints in a run's folder, and the one write that makes one count.

    checkpoints/step-00000120-1f3a90c2.safetensors     weights and optimizer, named by step and content
    checkpoint.json                                    the pointer: the newest checkpoints, newest first

A checkpoint is written to a local file, uploaded, and only then named in the pointer. The pointer is written
on the condition that it is still the one that this process last saw: of two processes that believe they own
a run, the second to write gets a Conflict and has changed nothing. Files that the new pointer no longer names
are deleted after it stands. So at any instant the pointer names whole files, or there is none.

Writing and uploading happen in a thread beside training, on a copy of the arrays, one checkpoint at a time.
"""

import hashlib
import json
import logging
import re
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.numpy

from preprocessing.errors import InputError
from trainer.state import Arrays
from trainer.store import ABSENT, POINTER, Store

log = logging.getLogger(__name__)

FORMAT = 1


@dataclass(frozen=True)
class Saved:
    """One checkpoint: after `step` steps, with the losses (nats per character) since the last row of metrics."""

    step: int
    epoch: int
    losses: tuple[float, ...]
    file: str
    bytes: int
    sha256: str


class Checkpoints:
    """The checkpoints of one run, the newest `keep` of them."""

    def __init__(self, store: Store, *, keep: int, scratch: Path) -> None:
        self._store, self._keep, self._scratch = store, keep, scratch
        self._version = ABSENT
        self._saved: list[Saved] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._pending: Future[None] | None = None

    def restore(self) -> tuple[Saved, Arrays] | None:
        """The newest checkpoint that is whole, or None in a run that has none yet.

        A damaged one is reported and the one before it taken. InputError if the pointer cannot be read or
        none of its checkpoints is whole: to start from scratch would throw a run away.
        """
        try:
            data, self._version = self._store.read_versioned(POINTER)
        except FileNotFoundError:
            return None
        self._saved = _parse(data, place=f"{self._store.url}/{POINTER}")
        for saved in self._saved:
            try:
                return saved, _load(self._store, saved, self._scratch)
            except (FileNotFoundError, InputError) as error:
                log.error("checkpoint of step %d is damaged, trying the one before: %s", saved.step, error)
        raise InputError(
            f"{self._store.url}: none of the {len(self._saved)} checkpoints named in {POINTER} is whole; "
            "put one back, or use another run name to start afresh"
        )

    def save(self, arrays: Arrays, *, step: int, epoch: int, losses: tuple[float, ...]) -> None:
        """Starts to save a copy of the run after `step` steps; waits first for a save under way.

        Raises what `wait` raises, for the one before.
        """
        self.wait()
        self._pending = self._thread.submit(self._commit, arrays, step, epoch, losses)

    @property
    def busy(self) -> bool:
        """Whether a save is still under way."""
        return self._pending is not None and not self._pending.done()

    def wait(self) -> None:
        """Returns once the save under way stands; raises what it failed with."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def _commit(self, arrays: Arrays, step: int, epoch: int, losses: tuple[float, ...]) -> None:
        local = self._scratch / "saving.safetensors"
        try:
            safetensors.numpy.save_file(dict(arrays), local)
            digest, size = _digest(local), local.stat().st_size
            name = f"checkpoints/step-{step:08}-{digest[:8]}.safetensors"
            self._store.upload(local, name)
        finally:
            local.unlink(missing_ok=True)
        newest = Saved(step, epoch, losses, name, size, digest)
        saved = [newest, *(old for old in self._saved if old.file != name)]
        kept, dropped = saved[: self._keep], saved[self._keep :]
        pointer = {"format": FORMAT, "checkpoints": [asdict(one) for one in kept]}
        self._version = self._store.write(POINTER, json.dumps(pointer, indent=1).encode(), if_version=self._version)
        self._saved = kept
        for old in dropped:
            self._store.delete(old.file)
        log.info("checkpoint of step %d: %.1f MB", step, size / 1e6)


def newest(store: Store, scratch: Path) -> tuple[Saved, Arrays]:
    """The newest whole checkpoint of a run that is only read; InputError if there is none."""
    found = Checkpoints(store, keep=1, scratch=scratch).restore()
    if found is None:
        raise InputError(f"{store.url}: no {POINTER}: not a run, or one without a checkpoint yet")
    return found


def _load(store: Store, saved: Saved, scratch: Path) -> Arrays:
    """A checkpoint's arrays. FileNotFoundError if it is gone, InputError if it is not what was saved."""
    local = scratch / "restoring.safetensors"
    try:
        store.download(saved.file, local)
        found = _digest(local)
        if found != saved.sha256:
            raise InputError(f"{saved.file}: SHA-256 {found}, expected {saved.sha256}")
        arrays: Mapping = safetensors.numpy.load_file(local)
    except safetensors.SafetensorError as error:
        raise InputError(f"{saved.file}: {error}") from None
    finally:
        local.unlink(missing_ok=True)
    return arrays


def _parse(data: bytes, *, place: str) -> list[Saved]:
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


def _one(values: Mapping[str, Any]) -> Saved:
    saved = Saved(**{**values, "losses": tuple(float(loss) for loss in values["losses"])})
    if type(saved.step) is not int or type(saved.epoch) is not int or saved.step < 1:
        raise ValueError(f"step={saved.step!r}, epoch={saved.epoch!r}")
    if not re.fullmatch(r"checkpoints/\w[-.\w]*", saved.file):
        raise ValueError(f"file={saved.file!r}")
    return saved


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
