"""Promotion: evaluate a candidate and the model in production on the same text, and promote the candidate if better."""

import logging
import tempfile
from functools import partial
from pathlib import Path

from jobs.promotion.decision import Decision, EvaluatedModel
from jobs.promotion.decision_report import decision_report
from jobs.promotion.registry import CURRENT, ModelRegistry, PromotedModel
from preprocessing.dataset.folder import Dataset
from preprocessing.errors import InputError
from preprocessing.json_format import format_json
from preprocessing.storage.urls import absolute
from trainer.config import CheckpointChoice
from trainer.model.state import Arrays
from trainer.runs.checkpoints import read_checkpoint, read_chosen
from trainer.runs.folder import Run, open_run
from trainer.runtime.machine import utc_now
from trainer.training.evaluation import Evaluation, evaluate_split

log = logging.getLogger(__name__)


def promote_if_better(
    run: Run,
    dataset: Dataset,
    registry: ModelRegistry,
    *,
    checkpoint: CheckpointChoice,
    split: str,
    batch_windows: int,
    min_gain_bits: float,
    force: bool,
) -> None:
    """Promote a checkpoint of the run if it is better than production. Print the decision as one JSON line.

    `force` promotes without comparison. Raises InputError if a model cannot be evaluated on the dataset, and Conflict,
    with nothing changed, if another process promoted meanwhile.
    """
    # The candidate's objective for both models, or the losses would be of different characters.
    evaluate = partial(
        evaluate_split, dataset=dataset, split=split, batch_windows=batch_windows, objective=run.config.objective
    )
    current, production_run, production = registry.production, None, None
    with tempfile.TemporaryDirectory(prefix="promote-") as scratch:
        entry, candidate = read_chosen(run.bucket, checkpoint, Path(scratch))
        if current and (current.run, current.sha256) == (absolute(run.bucket.url), entry.sha256):
            reason = f"in production already, as number {current.number}"
            print(format_json({"promoted": False, "reason": reason}))
            log.info("%s: not promoted: %s", current.run, reason)
            return
        if current and not force:
            production_run, arrays = _load_production(registry, current, dataset, Path(scratch))
            production = _evaluated_model(
                *(production_run, current.checkpoint, current.sha256, current.step), evaluate(production_run, arrays)
            )
    decision = Decision(
        candidate=_evaluated_model(run, entry.file, entry.sha256, entry.step, evaluate(run, candidate)),
        production=production,
        replaces=current.number if current else None,
        dataset=dataset.manifest.fingerprint,
        split=split,
        min_gain_bits=min_gain_bits,
        decided=utc_now(),
    )
    _record(decision, registry, decision_report(decision, run, production_run))
    print(format_json(decision.as_json()))
    log.info("%s: %s: %s", run.bucket.url, "promoted" if decision.promoted else "not promoted", decision.reason)


def _record(decision: Decision, registry: ModelRegistry, report: str) -> None:
    """Write current.json, if the decision is to promote, and then the reports.

    If another process promoted meanwhile, current.json raises Conflict and no report exists. A process killed between
    the two writes leaves no report, and a retry finds the model in production and writes none. The entry in
    current.json stays.
    """
    if decision.promoted:
        registry.promote(decision.promoted_model())
    registry.bucket.write(f"{decision.name}.md", report.encode())
    values = format_json(decision.as_json(), indent=1)
    registry.bucket.write(f"{decision.name}.json", f"{values}\n".encode())


def _evaluated_model(run: Run, checkpoint: str, sha256: str, step: int, result: Evaluation) -> EvaluatedModel:
    log.info("%s, step %d: %.4f bits per character", run.bucket.url, step, result.bits_per_char)
    return EvaluatedModel(absolute(run.bucket.url), checkpoint, sha256, step, result.chars, result.bits_per_char)


def _load_production(
    registry: ModelRegistry, model: PromotedModel, dataset: Dataset, scratch: Path
) -> tuple[Run, Arrays]:
    """Return the run in production and the promoted weights, or raise InputError if the dataset does not fit them."""
    try:
        run = open_run(model.run)
        run.refuse_other_symbols(dataset)
        return run, read_checkpoint(run.bucket, model.checkpoint, model.sha256, scratch)
    except InputError as error:
        raise InputError(
            f"{registry.url}/{CURRENT}: number {model.number} cannot be evaluated: {error}; "
            "go back with --rollback, or promote without comparison with --force"
        ) from None
