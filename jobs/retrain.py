"""New reviews into the model in production, if it is better for them: what a schedule runs.

    python -m jobs.retrain --run NAME --set reviews=URL --set bucket=URL [Beam options]

    BUCKET/datasets/<first 8 of its fingerprint>    as jobs.preprocess makes it
    BUCKET/runs/NAME                                as jobs.train makes it, from production's weights
    BUCKET/models                                   as jobs.promote makes it: current.json, reports/

Where a model was promoted or refused on the same reviews with the same settings of preprocessing, there is nothing
to do. The same command again goes on where it was stopped or killed: a run that has begun keeps its dataset and its
first weights, whatever came meanwhile. The first weights are of the newest checkpoint of production's run; if that
has other layers than are configured, the run begins as it would without. The exit code is 0 whatever is decided.
"""

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydantic.dataclasses import dataclass

from jobs import preprocess, promote, train
from jobs.cli import command
from jobs.cli.config import load
from jobs.promotion.decision import earlier
from jobs.promotion.registry import CURRENT, Models
from preprocessing.dataset import manifest
from preprocessing.dataset.folder import Dataset, open_dataset
from preprocessing.errors import InputError
from preprocessing.pipeline.recipe import PreprocessConfig, read_recipe
from preprocessing.settings import REQUIRED, STRICT, Url, Urls, as_mapping, differences, key
from preprocessing.storage.bucket import Bucket
from preprocessing.storage.urls import absolute, open_bucket
from trainer.config import TrainConfig
from trainer.runs.folder import Run, folder, open_run
from trainer.runtime.stop import stop_at_once
from trainer.runtime.workers import from_environment

log = logging.getLogger(__name__)


@dataclass(frozen=True, config=STRICT, kw_only=True)
class RetrainConfig:
    """Configuration of jobs.retrain."""

    reviews: Url | Urls = key(REQUIRED, "URL or glob, or a list of them, as input of jobs.preprocess")
    bucket: Url = key(REQUIRED, "URL of the folder of datasets, runs and models")
    preprocess: str = key("", "path of a configuration of jobs.preprocess; empty: its defaults")
    train: str = key("", "path of a configuration of jobs.train; empty: its defaults")
    promote: str = key("", "path of a configuration of jobs.promote; empty: its defaults")


def main(argv: Sequence[str] | None = None) -> None:
    arguments = command.parser(__doc__)
    arguments.add_argument("--run", required=True)
    config, asked, beam_options = command.configured(arguments, RetrainConfig, argv)
    if from_environment(os.environ).count > 1:
        raise InputError("jobs.retrain runs alone; with several workers use jobs.preprocess, jobs.train, jobs.promote")
    root = absolute(open_bucket(config.bucket).url).rstrip("/")
    runs, models = f"{root}/runs", f"{root}/models"
    own = folder(runs, asked.run)
    begun = _begun(own)
    if begun:
        log.info("%s: going on with its own dataset and first weights", own.url)
        dataset, fingerprint = begun.config.dataset, begun.manifest.fingerprint
    else:
        preprocess_config = load(
            PreprocessConfig,
            file=_file(config.preprocess),
            last={"input": config.reviews, "output": f"{root}/datasets"},
        )
        fingerprint = read_recipe(preprocess_config).fingerprint
        dataset = f"{root}/datasets/{fingerprint[:8]}"
    if _is_judged(models, fingerprint):
        if begun:
            log.info("for reviews that came since, use another --run")
        return

    # A mistake in a later step's configuration shows before the first step's work.
    promote_config = load(promote.PromoteConfig, file=_file(config.promote), last={"dataset": dataset})
    train_config = load(TrainConfig, file=_file(config.train), last={"dataset": dataset, "runs": runs})

    if begun:
        warm_start = begun.config.warm_start
    else:
        preprocess.preprocess(replace(preprocess_config, output=dataset), beam_options)
        made = open_dataset(dataset)
        if made.manifest.fingerprint != fingerprint:
            raise OSError(f"{config.reviews}: changed before it was read")
        made.shards(promote_config.split)  # not after hours of training
        warm_start = from_production(Models(models), made, train_config) or train_config.warm_start
    train.train(replace(train_config, warm_start=warm_start), asked.run)
    stop_at_once()  # again: training's own handlers save first, and now there is nothing to save
    if not _is_judged(models, fingerprint):  # by another process meanwhile
        promote.promote(own.url, Models(models), promote_config)


def _begun(own: Bucket) -> Run | None:
    """The run, if all that it begins with is there."""
    return open_run(own.url) if manifest.NAME in own.names(recursive=False) else None


def _is_judged(models: str, fingerprint: str) -> bool:
    found = earlier(Models(models), fingerprint)
    if found:
        log.info("nothing new: a model of these reviews was %s", found)
    return found is not None


def from_production(models: Models, dataset: Dataset, train_config: TrainConfig) -> str:
    """The URL of production's run, for a run to begin where that ended; "" if there is no production that fits.

    InputError if the two could not be compared in the end.
    """
    now = models.production
    if now is None:
        return ""
    try:
        production = open_run(now.run)
        production.refuse_other_symbols(dataset)
    except InputError as error:
        raise InputError(
            f"{models.url}/{CURRENT}: number {now.number} could not be compared in the end: {error}; go back with "
            "jobs.promote --rollback, or train a model by itself and promote it with --force"
        ) from None
    if production.config.model != train_config.model:
        changed = differences(as_mapping(production.config.model), as_mapping(train_config.model))
        log.info("no initial weights from production: %s", "; ".join(changed))
        return ""
    return now.run


def _file(path: str) -> Path | None:
    """A step's configuration; None for its defaults."""
    return Path(path) if path else None


if __name__ == "__main__":
    command.run(main)
