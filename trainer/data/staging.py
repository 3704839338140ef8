"""Shards on the local disk while they are in use, fetched in the background before they are.

So a dataset may be larger than the disk. A reader says with each shard that it reads which ones it reads next;
threads fetch those in that order, as far as `max_bytes` goes. Room is made when it is needed: first go the copies
that nobody asked for any more, the longest unread first, then those asked for that are needed last.
"""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from preprocessing.dataset.folder import Dataset
from preprocessing.dataset.manifest import Shard
from preprocessing.errors import InputError, Stopped

THREADS = 8
POLL_SECONDS = 0.5  # how often a reader that waits asks whether to stop
LEAVE_SECONDS = 1.0  # for a fetch under way at the end; one that asks a dead store again and again takes minutes


class Staging:
    """Shards by need. `fetch` gives a checked local file: a copy under the shard's name in `folder`, or the original.

    max_bytes: of copies, those under way included; at least the largest shard's. None where there are no copies.
    Nothing outside `folder` is ever deleted.
    waited_seconds: how long the reader has waited for shards.
    """

    def __init__(
        self,
        fetch: Callable[[Shard, Path], Path],
        folder: Path,
        *,
        max_bytes: int | None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._fetch, self._folder, self._max_bytes, self._should_stop = fetch, folder, max_bytes, should_stop
        self.waited_seconds = 0.0
        self._changed = threading.Condition()  # guards all below
        self._wanted: dict[Shard, None] = {}  # most urgent first
        self._near: Sequence[Shard] = ()
        self._staged: dict[Shard, npt.NDArray[np.uint8]] = {}  # the longest unread first
        self._coming: set[Shard] = set()
        self._failed: dict[Shard, Exception] = {}
        self._closed = False
        # Daemons, because a process that was asked to stop cannot wait for a store that does not answer.
        self._threads = [threading.Thread(target=self._work, name="staging", daemon=True) for _ in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def mapped(self, shard: Shard, near: Sequence[Shard] = ()) -> npt.NDArray[np.uint8]:
        """The shard's bytes, waited for; meanwhile, and after, the shards `near` are fetched in their order.

        Raises what `fetch` raised for this shard, and Stopped if asked to stop while it waits. What failed for a
        shard that was not yet needed is tried once more.
        """
        with self._changed:
            if shard not in self._staged or shard not in self._wanted or near != self._near:
                self._near, self._wanted = near, dict.fromkeys((shard, *near))
                self._failed.pop(shard, None)
                self._changed.notify_all()
                self._wait_for(shard)
            data = self._staged[shard] = self._staged.pop(shard)
            return data

    def __enter__(self) -> "Staging":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        leave_at = time.monotonic() + LEAVE_SECONDS
        for thread in self._threads:
            thread.join(max(0, leave_at - time.monotonic()))

    def _wait_for(self, shard: Shard) -> None:
        began = time.monotonic()
        while shard not in self._staged:
            if shard in self._failed:
                raise self._failed[shard]
            if self._should_stop():
                raise Stopped
            self._changed.wait(POLL_SECONDS)
        self.waited_seconds += time.monotonic() - began

    def _work(self) -> None:
        while (shard := self._taken()) is not None:
            self._bring(shard)

    def _taken(self) -> Shard | None:
        """The next shard to fetch, waited for; None at the end."""
        with self._changed:
            while not self._closed:
                shard = self._next()
                if shard is not None:
                    self._coming.add(shard)
                    return shard
                self._changed.wait()
        return None

    def _bring(self, shard: Shard) -> None:
        found: npt.NDArray[np.uint8] | Exception
        try:
            found = np.memmap(self._fetch(shard, self._folder), np.uint8, mode="r")
        except Exception as error:  # whatever it is, the reader gets it
            self._copy(shard).unlink(missing_ok=True)
            found = error
        with self._changed:
            self._coming.remove(shard)
            if isinstance(found, Exception):
                self._failed[shard] = found
            else:
                self._staged[shard] = found
            self._changed.notify_all()

    def _next(self) -> Shard | None:
        """The most urgent shard that is not there, once there is room for it."""
        missing = (s for s in self._wanted if s not in self._staged and s not in self._coming and s not in self._failed)
        shard = next(missing, None)
        return shard if shard is not None and self._made_room(shard) else None

    def _made_room(self, shard: Shard) -> bool:
        if self._max_bytes is None:
            return True
        wanted = list(self._wanted)
        later = set(wanted[wanted.index(shard) :])
        spare = [s for s in self._staged if s not in self._wanted]
        spare += [s for s in reversed(wanted) if s in later and s in self._staged]
        room = self._max_bytes - sum(s.bytes for s in (*self._staged, *self._coming))
        if room + sum(s.bytes for s in spare) < shard.bytes:
            return False
        for one in spare:
            if room >= shard.bytes:
                break
            room += one.bytes
            del self._staged[one]
            self._copy(one).unlink(missing_ok=True)
        return True

    def _copy(self, shard: Shard) -> Path:
        return self._folder / shard.name


def stage(
    dataset: Dataset, scratch: Path, *, max_bytes: int, should_stop: Callable[[], bool] = lambda: False
) -> Staging:
    """Stage a dataset's shards, as copies of at most `max_bytes` in all below `scratch`, or where they are.

    Raises InputError if `max_bytes` is too little for one shard.
    """
    largest = max(dataset.manifest.shards, key=lambda shard: shard.bytes)
    if dataset.is_remote and largest.bytes > max_bytes:
        raise InputError(f"staging.max_bytes={max_bytes}: {dataset.shard_url(largest)} alone has {largest.bytes} bytes")
    return Staging(
        dataset.fetch, scratch / "shards", max_bytes=max_bytes if dataset.is_remote else None, should_stop=should_stop
    )
