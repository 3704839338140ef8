"""A run's model with its newest weights, for this machine."""

import keras

from trainer.model.network import build_model
from trainer.model.state import restore_state
from trainer.runs.checkpoint_index import CheckpointEntry
from trainer.runs.checkpoints import read_newest
from trainer.runs.folder import Run
from trainer.runtime.devices import configure_devices


def load_model(run: Run) -> keras.Model:
    """Return the run's model with the weights of its newest whole checkpoint.

    Sets precision and seed for the process. Raises InputError if the run has no checkpoint.
    """
    return load_checkpoint(run)[1]


def load_checkpoint(run: Run) -> tuple[CheckpointEntry, keras.Model]:
    """Return the newest whole checkpoint's entry in the checkpoint index, and the model as `load_model` does."""
    layers = configure_devices(run.config.precision, seed=run.config.seed, inference=True)
    entry, arrays = read_newest(run.bucket)
    model = build_model(run.config.model, run.manifest, layers=layers)
    restore_state(arrays, model, None)
    return entry, model
