"""Initial weights of a run: from its newest checkpoint, else from `warm_start`, else random."""

import logging
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from preprocessing.dataset.manifest import Manifest
from trainer.config import TrainConfig
from trainer.model.state import Arrays, copy_carried, copy_state, read_carried, restore_state
from trainer.runs.checkpoint_index import Position
from trainer.runs.checkpoints import Checkpoints
from trainer.runtime.strategy import broadcast_from_chief
from trainer.runtime.workers import Workers
from trainer.training.steps import Steps
from trainer.training.warm_start import warm_start

log = logging.getLogger(__name__)

POSITION = "position"  # beside the arrays of weights and optimizer that the chief broadcasts


def set_initial_weights(
    steps: Steps, checkpoints: Checkpoints, config: TrainConfig, manifest: Manifest, *, workers: Workers, scratch: Path
) -> Position:
    """Set weights and optimizer to the newest checkpoint, else to `warm_start`, and return the run's position.

    Without a checkpoint and a `warm_start` the weights stay as they are. The chief reads, and broadcasts to the other
    workers, which may find another checkpoint in the run's folder by now.
    """
    position = Position()
    if workers.chief:
        position = _restore_checkpoint(steps, checkpoints) or position
        if not position.step and config.warm_start:
            warm_start(steps.model, config, manifest, scratch)
            log.info("initial weights from %s", config.warm_start)
    if workers.count == 1:
        return position
    state = copy_state(steps.model, steps.optimizer) | copy_carried(steps.state) | {POSITION: _as_array(position)}
    arrays = broadcast_from_chief(steps.strategy, state)
    _set_state(steps, arrays)
    return _from_array(arrays[POSITION], losses=position.losses)


def _restore_checkpoint(steps: Steps, checkpoints: Checkpoints) -> Position | None:
    restored = checkpoints.restore()
    if restored is None:
        return None
    entry, arrays = restored
    _set_state(steps, arrays)
    log.info("continuing after step %d", entry.step)
    return entry


def _set_state(steps: Steps, arrays: Arrays) -> None:
    restore_state(arrays, steps.model, steps.optimizer)
    steps.state = read_carried(arrays, steps.state)


def _as_array(position: Position) -> npt.NDArray[np.float64]:
    """Return what all workers need of a position. Only the chief needs the losses: it writes the metric rows."""
    validation = math.nan if position.validation is None else position.validation
    return np.array([position.step, position.epoch, validation])


def _from_array(array: npt.NDArray[np.float64], *, losses: tuple[float, ...]) -> Position:
    step, epoch, validation = array.tolist()
    known = None if math.isnan(validation) else validation
    return Position(step=int(step), epoch=int(epoch), losses=losses, validation=known)
