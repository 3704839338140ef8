"""A run's folder: the effective configuration and the dataset's manifest, written before all else.

config.yaml  manifest.json  checkpoint.json  checkpoints/  samples/  metrics.jsonl  tensorboard/  starts/
report.html
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from preprocessing.dataset import manifest
from preprocessing.dataset.folder import RUN_CONFIG as CONFIG
from preprocessing.dataset.folder import Dataset
from preprocessing.dataset.manifest import Manifest
from preprocessing.errors import InputError
from preprocessing.settings import as_mapping, as_yaml, default_values, flatten, list_differences, validate_config
from preprocessing.storage.bucket import Bucket, ReadOnlyBucket
from preprocessing.storage.urls import exists, open_bucket
from trainer.config import CHANGEABLE, TrainConfig
from trainer.data.order import Order, TrainingPlan, plan_training
from trainer.runs.checkpoint_index import CHECKPOINT_INDEX

# A Kubernetes name, which is what a Job has, of at most 63 characters.
NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Run:
    """A run that is there to be read."""

    bucket: Bucket
    config: TrainConfig
    manifest: Manifest

    def refuse_other_symbols(self, dataset: Dataset) -> None:
        """InputError if the dataset's ids are not those that the run's model predicts."""
        if dataset.manifest.vocabulary != self.manifest.vocabulary:
            raise InputError(
                f"dataset={dataset.bucket.url}: its vocabulary is not the one that {self.bucket.url} was trained on"
            )


def folder(runs: str, name: str) -> Bucket:
    """That of the run of this name; InputError if no Job could have it."""
    if not NAME.fullmatch(name):
        raise InputError(f"--run {name}: expected lower-case letters, digits, - and ., at most 63")
    return open_bucket(f"{runs.rstrip('/')}/{name}")


def begin(runs: str, name: str, config: TrainConfig, dataset: Manifest, *, writes: bool = True) -> Bucket:
    """The folder of a new run, or of one to continue, which is one that has a checkpoint.

    Unless this process `writes`, nothing in it changes, now or through what is returned.
    InputError if the run that is there had another dataset or, but for what is CHANGEABLE, another configuration; it
    says which keys differ. Its config.yaml stays the one that it began with.
    """
    bucket = folder(runs, name)
    if not writes:
        bucket = ReadOnlyBucket(bucket)
    if not exists(bucket, CHECKPOINT_INDEX):
        # A mistake that shows only later, in warm_start say, must not use the name up.
        bucket.write(CONFIG, as_yaml(config).encode())
        bucket.write(manifest.NAME, dataset.to_json())
        return bucket
    try:
        found = _read_config(bucket)
        before = manifest.parse_manifest(bucket.read(manifest.NAME), where=f"{bucket.url}/{manifest.NAME}")
    except FileNotFoundError as error:
        name = str(error).rpartition("/")[2]
        raise InputError(
            f"{bucket.url}: no {name}, though there is a {CHECKPOINT_INDEX}: put it back, or use another run name"
        ) from None
    changed = list_differences(_compared(found), _compared(as_mapping(config)))
    if changed:
        raise InputError(f"{bucket.url}: a run of another configuration: {'; '.join(changed)}: use another run name")
    if before.fingerprint != dataset.fingerprint:
        changed = list_differences(before.settings, dataset.settings) or ["its sources differ"]
        raise InputError(f"{bucket.url}: a run on another dataset: {'; '.join(changed)}: use another run name")
    return bucket


def identity(config: TrainConfig, dataset: Manifest) -> str:
    """SHA-256 of what decides a run's result: its configuration, but for what is CHANGEABLE, and its dataset."""
    values = _compared(as_mapping(config))
    return hashlib.sha256(json.dumps([values, dataset.fingerprint]).encode()).hexdigest()


def hyperparameters(config: TrainConfig) -> dict[str, bool | int | float | str]:
    """What decides a run's result, by dotted key."""
    values = _compared(as_mapping(config))
    return {key: value if isinstance(value, bool | int | float) else str(value) for key, value in values.items()}


def build_order(config: TrainConfig, dataset: Manifest) -> Order:
    """Return the order in which a run takes the dataset's windows."""
    return Order(
        [shard.records for shard in dataset.shards_of("train")],
        batch_windows=config.batch_windows,
        block_windows=config.block_windows,
        seed=config.seed,
    )


def plan_run(config: TrainConfig, dataset: Manifest) -> TrainingPlan:
    """Return the length of a run on the dataset."""
    return plan_training(
        sum(shard.records for shard in dataset.shards_of("train")),
        batch_windows=config.batch_windows,
        epochs=config.epochs,
        max_chars=config.max_chars,
        chars_per_step=config.batch_windows * (dataset.window_chars if config.objective == "every" else 1),
    )


def open_run(url: str) -> Run:
    """A run's folder as it is; InputError if it is none; the message says if it is a dataset's."""
    bucket = open_bucket(url)
    try:
        config = _read_config(bucket)
        dataset = manifest.parse_manifest(bucket.read(manifest.NAME), where=f"{url}/{manifest.NAME}")
    except FileNotFoundError:
        if exists(bucket, manifest.NAME) and not exists(bucket, CHECKPOINT_INDEX):
            raise InputError(
                f"{url}: a dataset, expected a run: train one on it with "
                f"python -m jobs.train --run NAME --set dataset={url} --set runs=URL"
            ) from None
        raise InputError(
            f"{url}: no {CONFIG} and {manifest.NAME}: not a run: train one with python -m jobs.train"
        ) from None
    try:
        return Run(bucket, _validated(config), dataset)
    except InputError as error:
        raise InputError(f"{url}/{CONFIG}: {error}") from None


def _read_config(bucket: Bucket) -> dict[str, Any]:
    try:
        found = yaml.safe_load(bucket.read(CONFIG))
    except (yaml.YAMLError, UnicodeDecodeError):
        found = None
    if not isinstance(found, dict):
        raise InputError(f"{bucket.url}/{CONFIG}: not a run's configuration: a YAML mapping was expected")
    return found


def _validated(values: Mapping[str, Any]) -> TrainConfig:
    """Build a run's configuration. A CHANGEABLE key that an older version did not write has its default.

    Raises InputError for any other missing key: its default may not be the value that the run was trained with.
    """
    missing = [name for name in _compared(default_values(TrainConfig)) if name not in _compared(values)]
    if missing:
        raise InputError(f"{missing[0]}: missing")
    return validate_config(TrainConfig, values)


def _compared(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in flatten(config) if key.partition(".")[0] not in CHANGEABLE}
