"""The training loop: which step comes next, and what happens between two steps.

A run is a sequence of steps 0, 1, 2, ...; all that decides the next one is the step's number, the weights and
the optimizer. So a run that is killed at any instant goes on from its last checkpoint as if nothing had been:
rows of metrics after that step are forgotten and written again, the same. At an epoch's end the order is
checkpoint, validation, samples: a fault in the later ones loses nothing, and a restart makes up for them.
"""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import keras
import tensorflow as tf

from preprocessing.errors import InputError
from trainer.checkpoints import Checkpoints
from trainer.data import Windows, fill_up
from trainer.evaluation import Evaluation
from trainer.metrics import Metrics
from trainer.order import Order
from trainer.state import snapshot
from trainer.steps import Steps
from trainer.stop import Stopped

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """How far a run goes: `steps` in all, the last epoch possibly cut short."""

    steps: int
    steps_per_epoch: int

    def epochs_done(self, step: int) -> int | None:
        """How many epochs end at this step, the cut one included; None within an epoch."""
        if step and (step == self.steps or step % self.steps_per_epoch == 0):
            return -(-step // self.steps_per_epoch)
        return None


def plan(order: Order, *, epochs: int, max_chars: int, chars_per_step: int) -> Plan:
    """`epochs` passes, or fewer steps where `max_chars` predicted characters are reached sooner (0: no limit)."""
    steps = epochs * order.steps_per_epoch
    if max_chars:
        steps = min(steps, max(1, max_chars // chars_per_step))
    return Plan(steps, order.steps_per_epoch)


class Progress(Protocol):
    """Told after each step how many are done, and the loss at each row of metrics."""

    def step(self, done: int) -> None: ...
    def row(self, done: int, *, epoch: int, loss: float) -> None: ...


@dataclass
class Loop:
    """One run; `start` and `losses` come from its checkpoint, 0 and () in a new one."""

    plan: Plan
    order: Order
    windows: Windows
    model: keras.Model
    optimizer: Any
    steps: Steps
    checkpoints: Checkpoints
    metrics: Metrics
    progress: Progress
    validate: Callable[[], Evaluation]
    write_samples: Callable[[int, int], None]  # of (epoch, step)
    should_stop: Callable[[], bool]
    log_every_steps: int
    checkpoint_every_seconds: float
    chars_per_step: int
    start: int = 0
    losses: tuple[float, ...] = ()

    def run(self) -> None:
        """Trains to the plan's end. Raises Stopped, after saving, if asked to stop; InputError if the loss is
        no longer finite."""
        step, saved_step = self.start, self.start
        pending: list[tf.Tensor | float] = list(self.losses)
        saved_at = row_at = time.monotonic()
        row_step = step
        while True:
            done = self.plan.epochs_done(step)
            if done is not None and not self.metrics.validated(step):
                if saved_step != step:
                    self._save(step, pending)
                    saved_step, saved_at = step, time.monotonic()
                self._end_epoch(done, step)
                row_at, row_step = time.monotonic(), step
            if step == self.plan.steps:
                break
            if self.should_stop():
                if saved_step != step:
                    self._save(step, pending)
                self.checkpoints.wait()
                raise Stopped
            epoch, at = divmod(step, self.plan.steps_per_epoch)
            ids = self.windows.read(*self.order.batch(epoch, at))
            pending.append(self.steps.train(fill_up(ids, self.steps.batch_windows)))
            step += 1
            self.progress.step(step)
            if step % self.log_every_steps == 0 or self.plan.epochs_done(step) is not None:
                loss = self._mean(pending, step, epoch)
                rate = (step - row_step) * self.chars_per_step / (time.monotonic() - row_at)
                row_at, row_step = time.monotonic(), step
                self.metrics.train(
                    step=step,
                    epoch=epoch + 1,
                    loss=loss,
                    learning_rate=float(keras.ops.convert_to_numpy(self.optimizer.learning_rate)),
                    chars_per_second=rate,
                )
                self.progress.row(step, epoch=epoch + 1, loss=loss)
                pending = []
            if time.monotonic() - saved_at >= self.checkpoint_every_seconds and not self.checkpoints.busy:
                self._save(step, pending)
                saved_step, saved_at = step, time.monotonic()
        self.checkpoints.wait()

    def _save(self, step: int, pending: list[tf.Tensor | float]) -> None:
        epoch = (step - 1) // self.plan.steps_per_epoch + 1
        losses = tuple(float(loss) for loss in pending)
        if losses:
            self._mean(list(losses), step, epoch)
        self.metrics.write()
        self.checkpoints.save(snapshot(self.model, self.optimizer), step=step, epoch=epoch, losses=losses)

    def _end_epoch(self, epoch: int, step: int) -> None:
        try:
            result = self.validate()
            self.write_samples(epoch, step)
        except Stopped:
            self.checkpoints.wait()
            raise
        self.metrics.validation(step=step, epoch=epoch, result=result)
        self.metrics.write()
        log.info(
            "epoch %d, step %d: validation %.4f nats = %.4f bits per character over %d characters",
            *(epoch, step, result.loss, result.bits_per_char, result.chars),
        )

    def _mean(self, losses: list[tf.Tensor | float], step: int, epoch: int) -> float:
        mean = sum(float(loss) for loss in losses) / len(losses)
        if not math.isfinite(mean):
            raise InputError(
                f"the loss is {mean} at step {step} of epoch {epoch}: lower learning_rate or clip_norm; "
                "the last checkpoint is from before"
            )
        return mean
