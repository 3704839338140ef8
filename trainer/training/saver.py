"""The saver: writes all that a run leaves, in a background thread, one save at a time.

A save writes samples, metric rows, checkpoint and checkpoint index, in this order, so that all that belongs to an
indexed checkpoint is in the run's folder. If the disk or the bucket fails, the error is logged, and all that was not
written belongs to the next save, with a newer checkpoint. Only an error that lasts ends the run.
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
RETRY_SECONDS = 1.0  # between two saves at the end of a run


class Saver:
    """The saver of one run, for one thread.

    `alive` is called while a save is waited for. `after_save` is called in the saving thread after each successful
    save, with whether a validation was due there. Nothing waits for `after_save`.
    """

    def __init__(
        self,
        bucket: Bucket,
        checkpoints: Checkpoints,
        metrics: Metrics,
        *,
        give_up_seconds: float,
        alive: Callable[[], None] = lambda: None,
        after_save: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self._bucket, self._checkpoints, self._metrics = bucket, checkpoints, metrics
        self._give_up_seconds, self._alive, self._after_save = give_up_seconds, alive, after_save
        self._samples: dict[str, bytes] = {}  # due with the next save
        self._validated: dict[int, float] = {}  # validation losses by step, since the last successful save
        self._saving: futures.Future[list[str]] | None = None
        self._started = 0.0  # when the save under way began
        self.saved_at: float | None = None  # when the last successful save ended, by time.monotonic()
        self.save_seconds = 0.0  # duration of the last successful save
        self._failing_since: float | None = None  # when the first failed save since the last successful one began

    def add_samples(self, samples: Mapping[str, bytes]) -> None:
        """Add objects by name to the next save."""
        self._samples |= samples

    @property
    def step(self) -> int:
        """Step of the newest checkpoint, 0 without a checkpoint."""
        return self._checkpoints.step

    def has_saved(self, step: int) -> bool:
        """Return whether all of the run up to this step is in its folder."""
        saved = self._saving is None and self._failing_since is None and self._checkpoints.step == step
        return saved and not self._samples and not self._metrics.due

    @property
    def busy(self) -> bool:
        """True while a save is under way."""
        return self._saving is not None and not self._saving.done()

    def save(self, snapshot: Snapshot) -> None:
        """Start a save, after the end of the one under way. Raises what `check` raises."""
        self.wait()
        self._started = time.monotonic()
        step, validation = snapshot.position.step, snapshot.position.validation
        if validation is not None:
            self._validated[step] = validation
        due = self._metrics.text(), dict(self._samples), dict(self._validated)
        self._saving = _in_background(
            partial(self._save, snapshot, *due), partial(self._after_save, validation is not None)
        )

    def check(self) -> None:
        """Take the result of a save that ended. Call this often.

        Raises Conflict or InputError if the save did. Raises OSError if saves have failed, or one has not ended, for
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
                f"{self._bucket.url}: nothing could be saved for {self._give_up_seconds:g} s; "
                f"the last checkpoint is of step {self._checkpoints.step}"
            )

    def wait(self) -> None:
        """Wait until no save is under way. Raises what `check` raises."""
        while self._saving is not None:
            futures.wait([self._saving], timeout=POLL_SECONDS)
            self._alive()
            self.check()

    def finish(self, snapshot: Snapshot) -> None:
        """Save until all of the run is in its folder, with retries. Raises what `check` raises."""
        self.wait()
        while not self.has_saved(snapshot.position.step):
            self.save(snapshot)
            self.wait()
            if self._failing_since is not None:
                time.sleep(RETRY_SECONDS)

    def _save(
        self, snapshot: Snapshot, text: bytes, samples: Mapping[str, bytes], validated: Mapping[int, float]
    ) -> list[str]:
        for name, data in samples.items():
            self._bucket.write(name, data)
        self._metrics.write(text)
        self._checkpoints.commit(snapshot, validated)
        return list(samples)


def _in_background(save: Callable[[], list[str]], after_save: Callable[[], None]) -> futures.Future[list[str]]:
    """Run both in a daemon thread: unlike an executor's, it cannot keep the process alive while a store hangs."""
    future: futures.Future[list[str]] = futures.Future()

    def run() -> None:
        try:
            future.set_result(save())
        except BaseException as error:  # goes to the thread that asks for the result
            future.set_exception(error)
            return
        after_save()

    Thread(target=run, name="save", daemon=True).start()
    return future
