"""A run's model with the weights of a checkpoint, for this machine."""

import keras

from trainer.config import CheckpointChoice
from trainer.model.network import build_model
from trainer.model.state import restore_state
from trainer.runs.checkpoint_index import CheckpointEntry
from trainer.runs.checkpoints import read_chosen
from trainer.runs.folder import Run
from trainer.runtime.devices import configure_devices


def load_model(run: Run, choice: CheckpointChoice = "newest") -> keras.Model:
    """Return the run's model with the weights of its newest whole checkpoint, or of another choice.

    Sets precision and seed for the process. Raises InputError if the run has no such checkpoint.
    """
    return load_checkpoint(run, choice)[1]


def load_checkpoint(run: Run, choice: CheckpointChoice = "newest") -> tuple[CheckpointEntry, keras.Model]:
    """Return the checkpoint's entry in the checkpoint index, and the model as `load_model` does."""
    layers = configure_devices(run.config.precision, seed=run.config.seed, inference=True)
    entry, arrays = read_chosen(run.bucket, choice)
    model = build_model(run.config.model, run.manifest, layers=layers)
    restore_state(arrays, model, None)
    return entry, model
