"""A run's model, written without this project's classes, read back and compared before it is published."""

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

from preprocessing.storage.urls import absolute
from trainer.export.folder import KERAS, NAME, SAVED_MODEL, Exports
from trainer.export.saved_model import Generator
from trainer.model.network import build_model
from trainer.model.state import restore
from trainer.runs.checkpoint_index import Saved
from trainer.runs.checkpoints import digest, newest_saved
from trainer.runs.folder import Run
from trainer.runtime.devices import set_up
from trainer.runtime.machine import utc_now, versions

log = logging.getLogger(__name__)

WINDOWS = 4  # of random symbols, on which both models must agree
TOLERANCE = 1e-3  # of a logit: float32 sums in another order differ by 1e-5, on a GPU's TF32 by some 1e-4


def export(run: Run, exports: Exports) -> str:
    """Exports the run's newest checkpoint; the URL of its export.json. InputError without a checkpoint.

    ArithmeticError, with nothing published, if what was written does not compute what the run's own model does.
    """
    with tempfile.TemporaryDirectory(prefix="export-") as scratch:
        saved, snapshot = newest_saved(run.bucket, Path(scratch))
        if exports.has(saved.sha256):
            log.info("%s: step %d is exported already", exports.url, saved.step)
            return f"{exports.url}/{NAME}"
        cudnn = set_up("float32", seed=run.config.seed)
        own, plain = (build_model(run.config.model, run.manifest, cudnn=kind) for kind in (cudnn, "auto"))
        for net in (own, plain):
            restore(snapshot.arrays, net, None)
        folder = Path(scratch, "export")
        write(folder, run, own, plain)
        compare(folder, run, own)
        return exports.publish(folder, _described(run, saved, folder))


def write(folder: Path, run: Run, own: keras.Model, plain: keras.Model) -> None:
    """Writes both files of one model into a folder that it makes: `own` is as build_model() makes it for this machine.

    OSError where the disk is full.
    """
    symbols = run.manifest.vocabulary
    folder.mkdir()
    plain.save(folder / KERAS)
    with zipfile.ZipFile(folder / KERAS, "a") as archive:  # whose other members Keras does not look at
        archive.writestr("vocabulary.json", json.dumps(symbols))
    for noisy in ("absl", "tensorflow"):  # they tell of names in the graph, and of folders that are gone a moment later
        logging.getLogger(noisy).setLevel(logging.WARNING)
    generator = Generator(own, symbols, lowercase=run.manifest.settings["lowercase"])
    try:
        tf.saved_model.save(generator, str(folder / SAVED_MODEL), signatures={"generate": generator.generate})
    except tf.errors.OpError as error:
        raise OSError(error.message) from None


def compare(folder: Path, run: Run, own: keras.Model) -> None:
    """ArithmeticError if what was written into the folder, read back, gives other logits than `own` does."""
    symbols, shape = run.manifest.vocabulary, (WINDOWS, run.manifest.window_chars)
    ids = np.random.default_rng(run.config.seed).integers(0, len(symbols), shape, np.int32)
    expected = own(ids).numpy()
    read = keras.models.load_model(folder / KERAS, compile=False)
    generator = tf.saved_model.load(str(folder / SAVED_MODEL))
    last = generator.logits(tf.constant(["".join(symbols[i] for i in row) for row in ids]))
    for name, found, due in ((KERAS, read(ids), expected), (SAVED_MODEL, last, expected[:, -1])):
        difference = float(np.abs(found.numpy() - due).max())
        if not difference <= TOLERANCE:  # not >, so that NaN is caught as well
            raise ArithmeticError(f"{name}: a logit is off by {difference}, expected {TOLERANCE} at most")
        log.info("%s: logits within %.1e of the run's own", name, difference)


def _described(run: Run, saved: Saved, folder: Path) -> dict[str, Any]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        "run": absolute(run.bucket.url),
        "step": saved.step,
        "epoch": saved.epoch,
        "checkpoint": saved.file,
        "sha256": saved.sha256,
        "vocabulary": run.manifest.vocabulary,
        "lowercase": run.manifest.settings["lowercase"],
        "window_chars": run.manifest.window_chars,
        "model": asdict(run.config.model),
        "versions": dict(versions()),
        "exported": utc_now(),
        "files": {path.relative_to(folder).as_posix(): digest(path) for path in files},
    }
