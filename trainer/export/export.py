"""Export of a run's model without this project's classes. The files are read back and compared before publishing."""

import json
import logging
import tempfile
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from preprocessing.storage.checksum import hash_file
from preprocessing.storage.urls import absolute
from trainer.config import CheckpointChoice
from trainer.export.folder import KERAS, NAME, SAVED_MODEL, ExportFolder
from trainer.export.saved_model import Generator
from trainer.model.network import build_model
from trainer.model.state import restore_state
from trainer.runs.checkpoint_index import CheckpointEntry
from trainer.runs.checkpoints import read_chosen
from trainer.runs.folder import Run
from trainer.runtime.devices import configure_devices, hide_gpus
from trainer.runtime.machine import list_versions, utc_now

log = logging.getLogger(__name__)

COMPARED_WINDOWS = 4  # windows of random symbols, on which both models must agree
TOLERANCE = 1e-3  # of a logit: float32 sums in another order differ by 1e-5


def export_model(run: Run, target: ExportFolder, choice: CheckpointChoice = "newest") -> str:
    """Export a checkpoint of a run, unless the target has it already. Returns the URL of its export.json.

    Raises InputError if the run has no such checkpoint.
    Raises ArithmeticError, and publishes nothing, if the exported files compute other logits than the run's model.
    """
    with tempfile.TemporaryDirectory(prefix="export-") as scratch:
        entry, arrays = read_chosen(run.bucket, choice, Path(scratch))
        if target.has(entry.sha256):
            log.info("%s: step %d is exported already", target.url, entry.step)
            return f"{target.url}/{NAME}"
        hide_gpus()  # their float32 is TF32, whose products differ by more than TOLERANCE
        configure_devices("float32", seed=run.config.seed)
        native, plain = (build_model(run.config.model, run.manifest, layers=kind) for kind in ("cpu", "keras"))
        for model in (native, plain):
            restore_state(arrays, model, None)
        folder = Path(scratch, "export")
        write_export(folder, run, native, plain)
        compare_export(folder, run, native)
        return target.publish(folder, _describe(run, entry, folder))


def write_export(folder: Path, run: Run, native: keras.Model, plain: keras.Model) -> None:
    """Write both files of one model into a new folder. Raises OSError if the disk is full.

    native: the model as build_model builds it for this machine.
    plain: the model of plain Keras layers.
    """
    symbols = run.manifest.vocabulary
    folder.mkdir()
    plain.save(folder / KERAS)
    with zipfile.ZipFile(folder / KERAS, "a") as archive:  # Keras ignores other members
        archive.writestr("vocabulary.json", json.dumps(symbols))
    for logger in ("absl", "tensorflow"):  # they name parts of the graph, and temporary folders
        logging.getLogger(logger).setLevel(logging.WARNING)
    generator = Generator(native, symbols, lowercase=run.manifest.settings["lowercase"])
    try:
        tf.saved_model.save(generator, str(folder / SAVED_MODEL), signatures={"generate": generator.generate})
    except tf.errors.OpError as error:
        raise OSError(error.message) from None


def compare_export(folder: Path, run: Run, native: keras.Model) -> None:
    """Read the exported files back. Raises ArithmeticError if their logits differ from the logits of `native`."""
    symbols, shape = run.manifest.vocabulary, (COMPARED_WINDOWS, run.manifest.window_chars)
    ids = np.random.default_rng(run.config.seed).integers(0, len(symbols), shape, np.int32)
    expected = native(ids).numpy()
    keras_model = keras.models.load_model(folder / KERAS, compile=False)
    generator = tf.saved_model.load(str(folder / SAVED_MODEL))
    last = generator.logits(tf.constant(["".join(symbols[i] for i in row) for row in ids]))
    for name, logits, expected_logits in ((KERAS, keras_model(ids), expected), (SAVED_MODEL, last, expected[:, -1])):
        difference = float(np.abs(logits.numpy() - expected_logits).max())
        if not difference <= TOLERANCE:  # not >, so that NaN is refused too
            raise ArithmeticError(f"{name}: a logit is off by {difference}, expected {TOLERANCE} at most")
        log.info("%s: logits within %.1e of the run's model", name, difference)


def _describe(run: Run, entry: CheckpointEntry, folder: Path) -> dict[str, Any]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        "run": absolute(run.bucket.url),
        "step": entry.step,
        "epoch": entry.epoch,
        "checkpoint": entry.file,
        "sha256": entry.sha256,
        "vocabulary": run.manifest.vocabulary,
        "lowercase": run.manifest.settings["lowercase"],
        "window_chars": run.manifest.window_chars,
        "model": asdict(run.config.model),
        "versions": dict(list_versions()),
        "exported": utc_now(),
        "files": {path.relative_to(folder).as_posix(): hash_file(path) for path in files},
    }
