"""The training loop: which step comes next, and what happens between two steps.

A run is a sequence of steps 0, 1, 2, ... The next step depends on the step's number, the weights, the optimizer and,
within a segment, the state that the rows carry. So a run that is killed at any instant resumes exactly from its last
checkpoint: metric rows after that step are dropped and written again with the same values. Where a validation is due,
the order is checkpoint, validation, samples, so that an error in the later two loses nothing, and a restart repeats
them.
"""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import keras
import tensorflow as tf

from preprocessing.errors import InputError, Stopped
from trainer.data.order import Order
from trainer.data.plan import TrainingPlan
from trainer.data.windows import Windows, read_batch
from trainer.model.state import copy_carried, copy_state
from trainer.runs.checkpoint_index import Position
from trainer.runs.checkpoints import Snapshot, diverged_message
from trainer.runs.completion import is_complete
from trainer.runs.metrics import Metrics
from trainer.training.evaluation import Evaluation
from trainer.training.profiler import Profiler
from trainer.training.progress import TrainingProgress
from trainer.training.saver import Saver
from trainer.training.steps import Steps

log = logging.getLogger(__name__)


@dataclass
class Loop:
    """The loop of a run, from the position `start` until the run is complete."""

    plan: TrainingPlan
    order: Order
    windows: Windows
    steps: Steps
    saver: Saver
    metrics: Metrics
    progress: TrainingProgress
    validate: Callable[[], Evaluation]
    write_samples: Callable[[int, int], Mapping[str, bytes]]  # (epoch, step) to objects by name
    log_every_steps: int
    checkpoint_every_seconds: float
    start: Position
    profiler: Profiler | None = None

    def __post_init__(self) -> None:
        self.step = self.start.step
        self.seconds_in_steps = 0.0  # of this process, up to the last metric row
        self._losses: list[tf.Tensor | float] = list(self.start.losses)  # since the last metric row
        self._validation = self.start.validation  # of this step, once it is known

    def run(self) -> None:
        """Train until the run is complete, and save.

        Raises Stopped, after saving, if asked to stop. Raises InputError if the loss or a weight is no longer
        finite, and what Saver.check raises if the run cannot be saved.
        """
        try:
            self._train()
        except Stopped:
            self.saver.finish(self._snapshot())
            raise
        except Exception:
            with suppress(Exception):
                self.saver.wait()  # the last good checkpoint may still be on its way
            raise
        self.saver.finish(self._snapshot())

    def is_saved(self) -> bool:
        """Return whether nothing would be lost if the process ended now."""
        return self.saver.has_saved(self.step)

    def is_complete(self) -> bool:
        """Return whether no step, validation or sample is left to do."""
        return is_complete(Position(step=self.step, validation=self._validation), self.plan, self.metrics.rows)

    def _train(self) -> None:
        saved_at = row_at = time.monotonic()
        row_step = self.step
        while True:
            if self.plan.validates(self.step) and self._validation is None:
                self._validate()
                saved_at = row_at = time.monotonic()
                row_step = self.step
            if self.is_complete():
                if self.step < self.plan.steps:
                    self._log_early_end()
                return
            if self.steps.agreement():
                raise Stopped
            self._train_step()
            due = self.step % self.log_every_steps == 0 or self.plan.validates(self.step)
            if due and self._losses:
                self._add_row(
                    chars=(self.step - row_step) * self.plan.chars_per_step, seconds=time.monotonic() - row_at
                )
                row_at, row_step = time.monotonic(), self.step
            self.saver.check()
            if time.monotonic() - saved_at >= self.checkpoint_every_seconds and not self.saver.busy:
                self.saver.save(self._snapshot())
                saved_at = time.monotonic()

    def _log_early_end(self) -> None:
        log.info(
            "complete at step %d of %d: the validation loss has not improved for stop_after_worse=%d validations",
            *(self.step, self.plan.steps, self.plan.stop_after_worse),
            extra={"step": self.step},
        )

    def _train_step(self) -> None:
        epoch, step_in_epoch = divmod(self.step, self.plan.steps_per_epoch)
        if self.order.starts_segments(step_in_epoch):
            self.steps.start_segments()
        batch = read_batch(self.windows, self.order, epoch, step_in_epoch)
        if batch.weights.any():
            self._losses.append(self.steps.train(batch))
        self.step, self._validation = self.step + 1, None
        self.progress.end_step(self.step)
        if self.profiler:
            self.profiler.end_step()

    def _add_row(self, *, chars: int, seconds: float) -> None:
        loss = self._mean(self._losses)
        self.seconds_in_steps += seconds
        self.metrics.train(
            step=self.step,
            epoch=self._epoch,
            loss=loss,
            learning_rate=float(keras.ops.convert_to_numpy(self.steps.optimizer.learning_rate)),
            chars_per_second=chars / seconds,
        )
        self.progress.end_row(self.step, epoch=self._epoch, loss=loss)
        self._losses = []

    def _validate(self) -> None:
        self.saver.save(self._snapshot())  # first, so that an error in what follows loses nothing
        result = self.validate()
        self._mean([result.loss])
        self.saver.add_samples(self.write_samples(self._epoch, self.step))
        self.metrics.validation(step=self.step, epoch=self._epoch, loss=result.loss, chars=result.chars)
        self._validation = result.loss
        self.saver.save(self._snapshot())
        log.info(
            "epoch %d, step %d: validation %.4f nats = %.4f bits per character over %d characters",
            *(self._epoch, self.step, result.loss, result.bits_per_char, result.chars),
            extra={"step": self.step},
        )

    @property
    def _epoch(self) -> int:
        """The epoch of the last step, from 1."""
        return (self.step - 1) // self.plan.steps_per_epoch + 1

    def _snapshot(self) -> Snapshot:
        """Copy the run's state to the host. Waits for the device."""
        losses = tuple(float(loss) for loss in self._losses)
        if losses:
            self._mean(losses)
        position = Position(step=self.step, epoch=self._epoch, losses=losses, validation=self._validation)
        arrays = copy_state(self.steps.model, self.steps.optimizer)
        if not self.order.starts_segments(self.step % self.plan.steps_per_epoch):
            arrays |= copy_carried(self.steps.state)
        return Snapshot(position, arrays)

    def _mean(self, losses: Sequence[tf.Tensor | float]) -> float:
        mean = sum(float(loss) for loss in losses) / len(losses)
        if not math.isfinite(mean):
            raise InputError(diverged_message(f"the loss is {mean}", step=self.step, epoch=self._epoch))
        return mean
