"""All that a run writes while it trains, in a thread beside it, one save at a time.

A save is samples, rows of metrics, checkpoint and pointer, in this order: so what the pointer stands for is
there. A fault of the disk or the store is logged, and what it kept from being written is due at the next save,
then with a newer checkpoint. Only where it lasts does it end the run.
"""

import logging
import time
from collections.abc import Callable, Mapping
from concurrent import futures
from functools import partial
from threading import Thread

from preprocessing.storage.bucket import Bucket
from trainer.runs.checkpoints import Checkpoints, Snapshot
from trainer.runs.metrics import Metrics

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2  # between two looks at a save that is waited for
PAUSE_SECONDS = 1.0  # between two tries at a run's end


class Saver:
    """Of one run; used by one thread. `alive` is called while a save is waited for.

    `saved` is called after each save that did not fail, with whether an epoch ended there, in the thread that saved;
    nobody waits for it.
    """

    def __init__(
        self,
        store: Bucket,
        checkpoints: Checkpoints,
        metrics: Metrics,
        *,
        give_up_seconds: float,
        alive: Callable[[], None] = lambda: None,
        saved: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self._store, self._checkpoints, self._metrics = store, checkpoints, metrics
        self._give_up_seconds, self._alive, self._saved = give_up_seconds, alive, saved
        self._samples: dict[str, bytes] = {}
        self._validated: dict[int, float] = {}  # by step, since the last save that did not fail
        self._saving: futures.Future[list[str]] | None = None
        self._started = 0.0  # the save under way
        self.saved_at: float | None = None  # by time.monotonic(), when the last that did not fail was done
        self.save_seconds = 0.0  # that it took
        self._failing_since: float | None = None  # the first of those that failed since the last that did not

    def add_samples(self, samples: Mapping[str, bytes]) -> None:
        """Objects by name that the next save writes."""
        self._samples |= samples

    @property
    def step(self) -> int:
        """That of the newest checkpoint, 0 without any."""
        return self._checkpoints.step

    def stands(self, step: int) -> bool:
        """Whether all of the run after this step is in its folder."""
        saved = self._saving is None and self._failing_since is None and self._checkpoints.step == step
        return saved and not self._samples and not self._metrics.due

    @property
    def busy(self) -> bool:
        """Whether a save is still under way."""
        return self._saving is not None and not self._saving.done()

    def save(self, snapshot: Snapshot) -> None:
        """Starts a save; waits first for the one under way. Raises what `check` raises."""
        self.wait()
        self._started = time.monotonic()
        if snapshot.validation is not None:
            self._validated[snapshot.step] = snapshot.validation
        due = self._metrics.text(), dict(self._samples), dict(self._validated)
        self._saving = _beside(
            partial(self._save, snapshot, *due), partial(self._saved, snapshot.validation is not None)
        )

    def check(self) -> None:
        """To be called often: takes note of a save that ended.

        Raises Conflict or InputError that it ended with; OSError if saves have failed, or one has not ended, for
        `give_up_seconds`.
        """
        if self._saving is None:
            return
        if not self._saving.done():
            self._give_up_after(self._started)
            return
        ended, self._saving = self._saving, None
        try:
            written = ended.result()
        except OSError as error:
            log.error("not saved, the last checkpoint is of step %d: %s", self._checkpoints.step, error)
            if self._failing_since is None:
                self._failing_since = self._started
            self._give_up_after(self._failing_since)
        else:
            self.saved_at = time.monotonic()
            self.save_seconds = self.saved_at - self._started
            self._failing_since = None
            self._validated = {}
            self._samples = {name: data for name, data in self._samples.items() if name not in written}

    def _give_up_after(self, since: float) -> None:
        if time.monotonic() - since > self._give_up_seconds:
            raise OSError(
                f"{self._store.url}: nothing could be saved for {self._give_up_seconds:g} s; "
                f"the last checkpoint is of step {self._checkpoints.step}"
            )

    def wait(self) -> None:
        """Returns once no save is under way. Raises what `check` raises."""
        while self._saving is not None:
            futures.wait([self._saving], timeout=POLL_SECONDS)
            self._alive()
            self.check()

    def finish(self, snapshot: Snapshot) -> None:
        """Returns once all of the run stands, tried again and again. Raises what `check` raises."""
        self.wait()
        while not self.stands(snapshot.step):
            self.save(snapshot)
            self.wait()
            if self._failing_since is not None:
                time.sleep(PAUSE_SECONDS)

    def _save(
        self, snapshot: Snapshot, text: bytes, samples: Mapping[str, bytes], validated: Mapping[int, float]
    ) -> list[str]:
        for name, data in samples.items():
            self._store.write(name, data)
        self._metrics.write(text)
        self._checkpoints.commit(snapshot, validated)
        return list(samples)


def _beside(work: Callable[[], list[str]], then: Callable[[], None]) -> futures.Future[list[str]]:
    """In a thread that does not keep the process from ending, as an executor's would while a store does not answer."""
    future: futures.Future[list[str]] = futures.Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # handed on to the thread that asks for the result
            future.set_exception(error)
            return
        then()

    Thread(target=run, name="save", daemon=True).start()
    return future
