"""A candidate and the model in production, judged on the same text, and what follows from it."""

import json
import logging
import tempfile
from pathlib import Path

from jobs.promotion.decision import Judged, Verdict
from jobs.promotion.registry import CURRENT, Model, Models
from jobs.promotion.report import page
from preprocessing.dataset.folder import Dataset
from preprocessing.errors import InputError
from preprocessing.storage.urls import absolute
from trainer.model.state import Arrays
from trainer.runs.checkpoints import load_exactly, newest_saved
from trainer.runs.folder import Run, open_run
from trainer.runtime.machine import utc_now
from trainer.training.evaluation import evaluate_split

log = logging.getLogger(__name__)


def promote(
    run: Run,
    dataset: Dataset,
    models: Models,
    *,
    split: str,
    batch_windows: int,
    min_gain_bits: float,
    force: bool,
) -> None:
    """Judges the run's newest checkpoint and promotes it or not; prints the verdict as one JSON line.

    current.json is written before the reports, so a process that another one overtook leaves no trace. One that is
    killed in between leaves no report of what it promoted, and the next attempt, which finds the model in production
    already, writes none either; what current.json says of the model stays.

    Raises InputError if one of the two cannot be judged; Conflict, with nothing changed, if another promotion came
    between.
    """

    def judged(one: Run, checkpoint: str, sha256: str, step: int, arrays: Arrays) -> Judged:
        # Both on what the candidate predicts, or they would be judged on other characters.
        result = evaluate_split(
            *(one, arrays, dataset), split=split, batch_windows=batch_windows, objective=run.config.objective
        )
        log.info("%s, step %d: %.4f bits per character", one.bucket.url, step, result.bits_per_char)
        return Judged(absolute(one.bucket.url), checkpoint, sha256, step, result.chars, result.bits_per_char)

    now, other, production = models.production, None, None
    with tempfile.TemporaryDirectory(prefix="promote-") as scratch:
        saved, snapshot = newest_saved(run.bucket, Path(scratch))
        if now and (now.run, now.sha256) == (absolute(run.bucket.url), saved.sha256):
            reason = f"in production already, as number {now.number}"
            print(json.dumps({"promoted": False, "reason": reason}))
            log.info("%s: not promoted: %s", now.run, reason)
            return
        if now and not force:
            other, arrays = _opened(models, now, dataset, Path(scratch))
            production = judged(other, now.checkpoint, now.sha256, now.step, arrays)
    verdict = Verdict(
        candidate=judged(run, saved.file, saved.sha256, saved.step, snapshot.arrays),
        production=production,
        replaces=now.number if now else None,
        dataset=dataset.manifest.fingerprint,
        split=split,
        min_gain_bits=min_gain_bits,
        decided=utc_now(),
    )
    # Made before current.json is written: what cannot be described, as its samples are damaged, is not promoted.
    reports = {
        f"{verdict.name}.md": page(verdict, run, other).encode(),
        f"{verdict.name}.json": (json.dumps(verdict.values(), indent=1, ensure_ascii=False) + "\n").encode(),
    }
    if verdict.promoted:
        models.add(verdict.model())
    for name, data in reports.items():
        models.bucket.write(name, data)
    print(json.dumps(verdict.values()))
    log.info("%s: %s: %s", run.bucket.url, "promoted" if verdict.promoted else "not promoted", verdict.reason)


def _opened(models: Models, now: Model, dataset: Dataset, scratch: Path) -> tuple[Run, Arrays]:
    """The run in production and the weights that were promoted; InputError if they cannot be judged on the dataset."""
    try:
        run = open_run(now.run)
        run.refuse_other_symbols(dataset)
        return run, load_exactly(run.bucket, now.checkpoint, now.sha256, scratch)
    except InputError as error:
        raise InputError(
            f"{models.url}/{CURRENT}: number {now.number} cannot be judged: {error}; "
            "go back with --rollback, or promote without comparison with --force"
        ) from None
