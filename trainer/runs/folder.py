"""A run's folder. The configuration and the dataset's manifest are written first.

config.yaml  manifest.json  checkpoint.json  checkpoints/  samples/  metrics.jsonl  tensorboard/  starts/
report.html
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from preprocessing.dataset import manifest
from preprocessing.dataset.folder import RUN_CONFIG, Dataset, open_dataset
from preprocessing.dataset.manifest import Manifest
from preprocessing.errors import InputError
from preprocessing.settings import as_mapping, as_yaml, default_values, flatten, list_differences, validate_config
from preprocessing.storage.bucket import Bucket, ReadOnlyBucket
from preprocessing.storage.urls import exists, open_bucket
from trainer.config import CHANGEABLE, TrainConfig
from trainer.data.order import Order
from trainer.data.plan import TrainingPlan, count_steps, plan_training
from trainer.runs.checkpoint_index import CHECKPOINT_INDEX

# Keys that decide a run's result and that older versions did not have, with the value that they trained with.
ADDED = {"optimizer": "adam", "carry_windows": 1, "validate_every_chars": 0, "stop_after_worse": 0}
# A Kubernetes name of at most 63 characters, as a Job's name is.
RUN_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Run:
    """A run's folder, opened to read."""

    bucket: Bucket
    config: TrainConfig
    manifest: Manifest

    def refuse_other_symbols(self, dataset: Dataset) -> None:
        """Raise InputError if the dataset has another vocabulary than the run's model."""
        if dataset.manifest.vocabulary != self.manifest.vocabulary:
            raise InputError(
                f"dataset={dataset.bucket.url}: its vocabulary is not the one that {self.bucket.url} was trained on"
            )


def open_run_folder(runs: str, name: str) -> Bucket:
    """Return the folder of the run of this name. Raises InputError if no Job could have the name."""
    if not RUN_NAME.fullmatch(name):
        raise InputError(f"--run {name}: expected lower-case letters, digits, - and ., at most 63")
    return open_bucket(f"{runs.rstrip('/')}/{name}")


def begin_run(
    runs: str,
    name: str,
    config: TrainConfig,
    dataset: Manifest,
    *,
    writes: bool = True,
    wrap: Callable[[Bucket], Bucket] = lambda bucket: bucket,
) -> Bucket:
    """Return the folder of a new run, or of a run with a checkpoint, which continues. `wrap` is applied to its bucket.

    Unless this process `writes`, it changes nothing in the folder, now or through the returned bucket.
    A run that continues keeps its config.yaml. Raises InputError, with the keys that differ, if its dataset or a key
    that is not CHANGEABLE is another.
    """
    bucket = wrap(open_run_folder(runs, name))
    if not writes:
        bucket = ReadOnlyBucket(bucket)
    if exists(bucket, CHECKPOINT_INDEX):
        _require_same_run(bucket, config, dataset)
    else:
        # Written also over the files of a run without a checkpoint: a wrong configuration must not use up the name.
        bucket.write(RUN_CONFIG, as_yaml(config).encode())
        bucket.write(manifest.NAME, dataset.to_json())
    return bucket


def _require_same_run(bucket: Bucket, config: TrainConfig, dataset: Manifest) -> None:
    try:
        old_config, old_dataset = _read_config(bucket), _read_manifest(bucket)
    except FileNotFoundError as error:
        name = str(error).rpartition("/")[2]
        raise InputError(
            f"{bucket.url}: no {name}, though there is a {CHECKPOINT_INDEX}: put it back, or use another run name"
        ) from None
    changed = list_differences(_decisive(old_config), _decisive(as_mapping(config)))
    if changed:
        raise InputError(f"{bucket.url}: a run of another configuration: {'; '.join(changed)}: use another run name")
    if old_dataset.fingerprint != dataset.fingerprint:
        changed = list_differences(old_dataset.settings, dataset.settings) or ["its sources differ"]
        raise InputError(f"{bucket.url}: a run on another dataset: {'; '.join(changed)}: use another run name")


def hash_identity(config: TrainConfig, dataset: Manifest) -> str:
    """Return the SHA-256 of all that decides a run's result: the keys that are not CHANGEABLE, and the dataset."""
    values = _decisive(as_mapping(config))
    return hashlib.sha256(json.dumps([values, dataset.fingerprint]).encode()).hexdigest()


def list_hyperparameters(config: TrainConfig) -> dict[str, bool | int | float | str]:
    """Return the configuration values that decide a run's result, by dotted key."""
    values = _decisive(as_mapping(config))
    return {key: value if isinstance(value, bool | int | float) else str(value) for key, value in values.items()}


def build_order(config: TrainConfig, dataset: Manifest) -> Order:
    """Return the order in which a run takes the dataset's windows."""
    return Order(
        [shard.records for shard in dataset.shards_of("train")],
        batch_windows=config.batch_windows,
        block_windows=config.block_windows,
        seed=config.seed,
        carry_windows=_limit_carry_windows(config, dataset),
    )


def plan_run(config: TrainConfig, dataset: Manifest) -> TrainingPlan:
    """Return the length of a run on the dataset."""
    return plan_training(
        count_steps(
            [shard.records for shard in dataset.shards_of("train")],
            config.batch_windows,
            _limit_carry_windows(config, dataset),
        ),
        epochs=config.epochs,
        max_chars=config.max_chars,
        validate_every_chars=config.validate_every_chars,
        stop_after_worse=config.stop_after_worse,
        chars_per_step=config.batch_windows * (dataset.window_chars if config.objective == "every" else 1),
    )


def _limit_carry_windows(config: TrainConfig, dataset: Manifest) -> int:
    """Return `carry_windows`, or the windows of the largest shard if it has fewer: longer segments have empty steps."""
    return min(config.carry_windows, max(shard.records for shard in dataset.shards_of("train")))


def open_run(url: str) -> Run:
    """Open a run's folder to read. Raises InputError if it is not a run; the message says if it is a dataset."""
    bucket = open_bucket(url)
    try:
        config, dataset = _read_config(bucket), _read_manifest(bucket)
    except FileNotFoundError:
        if exists(bucket, manifest.NAME) and not exists(bucket, CHECKPOINT_INDEX):
            raise InputError(
                f"{url}: a dataset, expected a run: train one on it with "
                f"python -m jobs.train --run NAME --set dataset={url} --set runs=URL"
            ) from None
        raise InputError(
            f"{url}: no {RUN_CONFIG} and {manifest.NAME}: not a run: train one with python -m jobs.train"
        ) from None
    try:
        return Run(bucket, _validate(config), dataset)
    except InputError as error:
        raise InputError(f"{url}/{RUN_CONFIG}: {error}") from None


def open_run_dataset(run: Run, url: str = "") -> Dataset:
    """Open the dataset at `url`, or the run's dataset. Raises InputError if it is gone or has another vocabulary."""
    dataset = open_dataset(url or run.config.dataset)
    run.refuse_other_symbols(dataset)
    return dataset


def _read_config(bucket: Bucket) -> dict[str, Any]:
    try:
        values = yaml.safe_load(bucket.read(RUN_CONFIG))
    except (yaml.YAMLError, UnicodeDecodeError):
        values = None
    if not isinstance(values, dict):
        raise InputError(f"{bucket.url}/{RUN_CONFIG}: not a run's configuration: a YAML mapping was expected")
    return ADDED | values


def _read_manifest(bucket: Bucket) -> Manifest:
    return manifest.parse_manifest(bucket.read(manifest.NAME), where=f"{bucket.url}/{manifest.NAME}")


def _validate(values: Mapping[str, Any]) -> TrainConfig:
    """Build a run's configuration. A CHANGEABLE key that an older version did not write has its default.

    Raises InputError for any other missing key: its default may not be the value that the run was trained with.
    """
    missing = [name for name in _decisive(default_values(TrainConfig)) if name not in _decisive(values)]
    if missing:
        raise InputError(f"{missing[0]}: missing")
    return validate_config(TrainConfig, values)


def _decisive(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that decide a run's result, by dotted key."""
    return {key: value for key, value in flatten(config) if key.partition(".")[0] not in CHANGEABLE}
