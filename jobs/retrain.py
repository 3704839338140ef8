"""Retrain on new reviews, and promote the new model if it is better. The CronJob in k8s/retrain.yaml runs this.

    python -m jobs.retrain --run NAME --set reviews=URL --set bucket=URL [Beam options]

    BUCKET/datasets/<first 8 of its fingerprint>    the dataset, as jobs.preprocess builds it
    BUCKET/runs/NAME                                the run, as jobs.train trains it
    BUCKET/models                                   current.json and reports/, as jobs.promote writes them

There is nothing to do if a model was promoted or refused on the same reviews with the same settings of preprocessing.
The same command again continues after a stop or a kill. A run that has begun keeps its dataset and its initial
weights, even if new reviews or a new production came meanwhile. The initial weights are the newest checkpoint of
production's run if that run has the configured layers. Otherwise they come from `warm_start` in the training
configuration. Without a `warm_start` they are random. The exit code is 0 whatever the decision.
"""

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydantic.dataclasses import dataclass

from jobs import preprocess, promote, train
from jobs.cli import command
from jobs.cli.config import load_config
from jobs.promotion.decision import earlier_decision
from jobs.promotion.registry import CURRENT, ModelRegistry
from preprocessing.dataset import manifest
from preprocessing.dataset.folder import Dataset, open_dataset
from preprocessing.errors import InputError
from preprocessing.pipeline.recipe import PreprocessConfig, read_recipe
from preprocessing.settings import REQUIRED, STRICT, Url, Urls, as_mapping, key, list_differences
from preprocessing.storage.urls import absolute, open_bucket
from trainer.config import TrainConfig
from trainer.runs.folder import open_run, open_run_folder
from trainer.runtime.stop import stop_at_once
from trainer.runtime.workers import read_workers

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
    parser = command.parser(__doc__)
    parser.add_argument("--run", required=True, metavar="NAME")
    config, args, beam_options = command.parse_beam_args(parser, RetrainConfig, argv)
    if read_workers(os.environ).count > 1:
        raise InputError("jobs.retrain runs alone; with several workers use jobs.preprocess, jobs.train, jobs.promote")
    retrain(config, args.run, beam_options)


def retrain(config: RetrainConfig, name: str, beam_options: Sequence[str]) -> None:
    """Build the dataset, train the run of this name, and promote it or not.

    Returns early if a model of these reviews was promoted or refused before.
    """
    root = absolute(open_bucket(config.bucket).url).rstrip("/")
    runs, models = f"{root}/runs", f"{root}/models"
    run_folder = open_run_folder(runs, name)
    begun = open_run(run_folder.url) if manifest.NAME in run_folder.names(recursive=False) else None
    if begun:
        log.info("%s: continuing with its own dataset and initial weights", run_folder.url)
        dataset_url, fingerprint = begun.config.dataset, begun.manifest.fingerprint
    else:
        preprocess_config = _preprocess_config(config, output=f"{root}/datasets")
        fingerprint = read_recipe(preprocess_config).fingerprint
        dataset_url = f"{root}/datasets/{fingerprint[:8]}"
    if _is_decided(models, fingerprint):
        if begun:
            log.info("use another --run for new reviews")
        return

    # Before the first step's work, so that a mistake in a later step's configuration shows at once.
    promote_config = load_config(promote.PromoteConfig, file=_file(config.promote), last={"dataset": dataset_url})
    train_config = load_config(TrainConfig, file=_file(config.train), last={"dataset": dataset_url, "runs": runs})

    if begun:
        warm_start = begun.config.warm_start
    else:
        dataset = _build_dataset(replace(preprocess_config, output=dataset_url), beam_options, fingerprint=fingerprint)
        dataset.shards(promote_config.split)  # raises InputError now, not after hours of training
        warm_start = production_run(ModelRegistry(models), dataset, train_config) or train_config.warm_start
    train.train(replace(train_config, warm_start=warm_start), name)
    stop_at_once()  # training's own handlers save before they stop, and now there is nothing to save
    if not _is_decided(models, fingerprint):  # another process may have decided meanwhile
        promote.promote(run_folder.url, ModelRegistry(models), promote_config)


def _preprocess_config(config: RetrainConfig, *, output: str) -> PreprocessConfig:
    return load_config(
        PreprocessConfig, file=_file(config.preprocess), last={"input": config.reviews, "output": output}
    )


def _is_decided(models: str, fingerprint: str) -> bool:
    """Return whether a model of the dataset was promoted or refused before."""
    decision = earlier_decision(ModelRegistry(models), fingerprint)
    if decision:
        log.info("nothing new: a model of these reviews was %s", decision)
    return decision is not None


def _build_dataset(config: PreprocessConfig, beam_options: Sequence[str], *, fingerprint: str) -> Dataset:
    """Build the dataset. Raises OSError if the reviews have changed since their fingerprint was computed."""
    preprocess.preprocess(config, beam_options)
    dataset = open_dataset(config.output)
    if dataset.manifest.fingerprint != fingerprint:
        raise OSError(f"{config.input}: changed before it was read")
    return dataset


def production_run(registry: ModelRegistry, dataset: Dataset, train_config: TrainConfig) -> str:
    """Return the URL of production's run, for the initial weights; "" if there is none with the configured layers.

    Raises InputError if the new model could not be compared with production after training.
    """
    model = registry.production
    if model is None:
        return ""
    try:
        run = open_run(model.run)
        run.refuse_other_symbols(dataset)
    except InputError as error:
        raise InputError(
            f"{registry.url}/{CURRENT}: the new model could not be compared with number {model.number}: {error}; go "
            "back with jobs.promote --rollback, or train a model by itself and promote it with --force"
        ) from None
    if run.config.model != train_config.model:
        changed = list_differences(as_mapping(run.config.model), as_mapping(train_config.model))
        log.info("no initial weights from production: %s", "; ".join(changed))
        return ""
    return model.run


def _file(path: str) -> Path | None:
    """Return the file of a step's configuration; None for the step's defaults."""
    return Path(path) if path else None


if __name__ == "__main__":
    command.run(main)
