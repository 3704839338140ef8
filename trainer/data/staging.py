"""Staging: shards on the local disk while they are in use, fetched in the background ahead of use.

So a dataset may be larger than the disk. A reader names with each shard the shards that it reads next. Threads fetch
them in that order, as far as `max_bytes` goes. When room is needed, copies are deleted in this order: first the copies
that are no longer asked for, the longest unread first; then the copies that are needed last.
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
POLL_SECONDS = 0.5  # between two looks at `should_stop` while the reader waits
EXIT_SECONDS = 1.0  # for fetches under way at the end; a fetch with retries from a dead store takes minutes


class Staging:
    """Shards on the local disk, as they are needed.

    `fetch` returns a verified local file: a copy in `folder` under the shard's name, or the original.
    `max_bytes` limits the copies, also those under way; it is at least the size of the largest shard. None: there are
    no copies. Nothing outside `folder` is ever deleted.
    `waited_seconds` is the time that the reader has waited for shards.
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
        self._changed = threading.Condition()  # guards all fields below
        self._wanted: dict[Shard, None] = {}  # most urgent first
        self._prefetch: Sequence[Shard] = ()
        self._staged: dict[Shard, npt.NDArray[np.uint8]] = {}  # the longest unread first
        self._fetching: set[Shard] = set()
        self._failed: dict[Shard, Exception] = {}
        self._closed = False
        # Daemon threads: a process that was asked to stop cannot wait for a store that does not answer.
        self._threads = [threading.Thread(target=self._work, name="staging", daemon=True) for _ in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def map_shard(self, shard: Shard, prefetch: Sequence[Shard] = ()) -> npt.NDArray[np.uint8]:
        """Return the shard's bytes, mapped, once it is fetched. Fetch the shards `prefetch` meanwhile and after.

        Raises the exception of `fetch` for this shard, and Stopped if asked to stop while it waits. A shard that could
        not be fetched ahead of use is fetched once more.
        """
        with self._changed:
            if shard not in self._staged or shard not in self._wanted or prefetch != self._prefetch:
                self._prefetch, self._wanted = prefetch, dict.fromkeys((shard, *prefetch))
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
        exit_at = time.monotonic() + EXIT_SECONDS
        for thread in self._threads:
            thread.join(max(0, exit_at - time.monotonic()))

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
        while (shard := self._take()) is not None:
            self._stage(shard)

    def _take(self) -> Shard | None:
        """Wait for the next shard to fetch. Returns None at the end."""
        with self._changed:
            while not self._closed:
                shard = self._next()
                if shard is not None:
                    self._fetching.add(shard)
                    return shard
                self._changed.wait()
        return None

    def _stage(self, shard: Shard) -> None:
        result: npt.NDArray[np.uint8] | Exception
        try:
            result = np.memmap(self._fetch(shard, self._folder), np.uint8, mode="r")
        except Exception as error:  # any exception goes to the reader
            self._copy(shard).unlink(missing_ok=True)
            result = error
        with self._changed:
            self._fetching.remove(shard)
            if isinstance(result, Exception):
                self._failed[shard] = result
            else:
                self._staged[shard] = result
            self._changed.notify_all()

    def _next(self) -> Shard | None:
        """Return the most urgent missing shard, if there is room for it."""
        known = (self._staged, self._fetching, self._failed)
        shard = next((s for s in self._wanted if not any(s in group for group in known)), None)
        return shard if shard is not None and self._make_room(shard) else None

    def _make_room(self, shard: Shard) -> bool:
        """Delete copies until the shard fits. Deletes none and returns False if it cannot fit."""
        if self._max_bytes is None:
            return True
        wanted = list(self._wanted)
        later = set(wanted[wanted.index(shard) :])
        spare = [s for s in self._staged if s not in self._wanted]
        spare += [s for s in reversed(wanted) if s in later and s in self._staged]
        room = self._max_bytes - sum(s.bytes for s in (*self._staged, *self._fetching))
        if room + sum(s.bytes for s in spare) < shard.bytes:
            return False
        for copy in spare:
            if room >= shard.bytes:
                break
            room += copy.bytes
            del self._staged[copy]
            self._copy(copy).unlink(missing_ok=True)
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
