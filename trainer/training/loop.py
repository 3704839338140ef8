"""The training loop: which step comes next, and what happens between two steps.

A run is a sequence of steps 0, 1, 2, ...; all that decides the next one is the step's number, the weights and
the optimizer. So a run that is killed at any instant goes on from its last checkpoint as if nothing had been:
rows of metrics after that step are forgotten and written again, the same. At an epoch's end the order is
checkpoint, validation, samples: a fault in the later ones loses nothing, and a restart makes up for them.
"""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from preprocessing.errors import InputError, Stopped
from trainer.data.order import Order, Plan
from trainer.data.windows import Windows, fill_up
from trainer.model.state import snapshot
from trainer.runs.checkpoints import Snapshot, not_finite
from trainer.runs.metrics import Metrics
from trainer.training.evaluation import Evaluation
from trainer.training.progress import TrainingProgress
from trainer.training.saver import Saver
from trainer.training.steps import Steps

log = logging.getLogger(__name__)


@dataclass
class Loop:
    """One run. `step`, `losses` and `validation` are those of the checkpoint that it continues, if there is one.

    `losses` are those since the last row of metrics, `validation` is the loss on held-out text at this step, None
    where it is not known; all in nats per character.
    """

    plan: Plan
    order: Order
    windows: Windows
    model: keras.Model
    optimizer: Any
    steps: Steps
    saver: Saver
    metrics: Metrics
    progress: TrainingProgress
    validate: Callable[[], Evaluation]
    write_samples: Callable[[int, int], Mapping[str, bytes]]  # of (epoch, step), as objects by name
    should_stop: Callable[[], bool]
    log_every_steps: int
    checkpoint_every_seconds: float
    profile: Callable[[], None] = lambda: None  # called after each step
    step: int = 0
    losses: Sequence[tf.Tensor | float] = ()
    validation: float | None = None
    seconds_in_steps: float = 0.0  # of this process, up to the last row of metrics

    def run(self) -> None:
        """Trains to the plan's end, and saves.

        Raises Stopped, after saving, if asked to stop; InputError if the loss or a weight is no longer finite;
        what Saver.check raises if the run cannot be saved.
        """
        try:
            self._train()
        except Stopped:
            self.saver.finish(self._snapshot())
            raise
        except Exception:
            with suppress(Exception):
                self.saver.wait()  # for the last good checkpoint, which may still be under way
            raise
        self.saver.finish(self._snapshot())

    def saved(self) -> bool:
        """Whether nothing would be lost if the process ended now."""
        return self.saver.stands(self.step)

    def _train(self) -> None:
        saved_at = row_at = time.monotonic()
        row_step = self.step
        while True:
            done = self.plan.epochs_done(self.step)
            if done is not None and self.validation is None:
                self._end_epoch(done)
                saved_at = row_at = time.monotonic()
                row_step = self.step
            if self.step == self.plan.steps:
                return
            if self.should_stop():
                raise Stopped
            self._one_step()
            if self.step % self.log_every_steps == 0 or self.plan.epochs_done(self.step) is not None:
                self._add_row(
                    chars=(self.step - row_step) * self.plan.chars_per_step, seconds=time.monotonic() - row_at
                )
                row_at, row_step = time.monotonic(), self.step
            self.saver.check()
            if time.monotonic() - saved_at >= self.checkpoint_every_seconds and not self.saver.busy:
                self.saver.save(self._snapshot())
                saved_at = time.monotonic()

    def _one_step(self) -> None:
        epoch, at = divmod(self.step, self.plan.steps_per_epoch)
        ids = self.windows.read(*self.order.batch(epoch, at), self.order.ahead(epoch, at))
        loss = self.steps.train(fill_up(ids, self.steps.batch_windows))
        self.losses = [*self.losses, loss]
        self.step, self.validation = self.step + 1, None
        self.progress.end_step(self.step)
        self.profile()

    def _add_row(self, *, chars: int, seconds: float) -> None:
        loss = self._mean(self.losses)
        self.seconds_in_steps += seconds
        self.metrics.train(
            step=self.step,
            epoch=self._epoch,
            loss=loss,
            learning_rate=float(keras.ops.convert_to_numpy(self.optimizer.learning_rate)),
            chars_per_second=chars / seconds,
        )
        self.progress.end_row(self.step, epoch=self._epoch, loss=loss)
        self.losses = ()

    def _end_epoch(self, epoch: int) -> None:
        self.saver.save(self._snapshot())  # first: a fault in what follows loses nothing
        result = self.validate()
        self._mean([result.loss])
        self.saver.add_samples(self.write_samples(epoch, self.step))
        self.metrics.validation(step=self.step, epoch=epoch, loss=result.loss, chars=result.chars)
        self.validation = result.loss
        self.saver.save(self._snapshot())
        log.info(
            "epoch %d, step %d: validation %.4f nats = %.4f bits per character over %d characters",
            *(epoch, self.step, result.loss, result.bits_per_char, result.chars),
        )

    @property
    def _epoch(self) -> int:
        """The one that the last step was of, from 1."""
        return (self.step - 1) // self.plan.steps_per_epoch + 1

    def _snapshot(self) -> Snapshot:
        losses = tuple(float(loss) for loss in self.losses)
        if losses:
            self._mean(losses)
        arrays = snapshot(self.model, self.optimizer)
        return Snapshot(arrays, self.step, self._epoch, losses, self.validation)

    def _mean(self, losses: Sequence[tf.Tensor | float]) -> float:
        mean = sum(float(loss) for loss in losses) / len(losses)
        if not math.isfinite(mean):
            raise InputError(not_finite(f"the loss is {mean}", step=self.step, epoch=self._epoch))
        return mean
