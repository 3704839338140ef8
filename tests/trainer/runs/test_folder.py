from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from jobs.cli.config import load_config
from preprocessing.dataset.folder import open_dataset
from preprocessing.errors import InputError
from trainer.config import TrainConfig
from trainer.runs.folder import begin_run, build_order, hash_identity, open_run, plan_run
from trainer.runs.load import load_model


@pytest.mark.parametrize("content", [b"", b"[1", b"- 1", b"\xff\xfe\x00", b"text"])
def test_configuration_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(InputError, match=f"{tmp_path}/config.yaml: not a run's configuration"):
        open_run(str(tmp_path))


def test_configuration_of_other_keys_is_refused(tmp_path: Path, dataset: Path) -> None:
    (tmp_path / "manifest.json").write_bytes((dataset / "manifest.json").read_bytes())
    (tmp_path / "config.yaml").write_text("epochs: 3\n")
    with pytest.raises(InputError, match="missing"):
        open_run(str(tmp_path))


def test_run_without_a_checkpoint_takes_a_corrected_configuration(dataset: Path, tmp_path: Path) -> None:
    made = open_dataset(str(dataset)).manifest
    for seed in (1, 2):
        begin_run(str(tmp_path), "name", config(seed), made)
    (tmp_path / "name/checkpoint.json").write_text("{}")
    with pytest.raises(InputError, match="a run of another configuration: seed=2, now 3: use another run name"):
        begin_run(str(tmp_path), "name", config(3), made)
    begin_run(str(tmp_path), "name", config(2), made)


@pytest.mark.parametrize(
    "change",
    [
        *("dataset=e", "runs=s", "grace_seconds=1", "stall_seconds=0", "min_gpus=1", "metrics_port=9400"),
        *("report=never", "profile.steps=3"),
        *("checkpoint.every_seconds=1", "checkpoint.keep=9"),
    ],
)
def test_run_continues_with_other_values_of_changeable_keys(dataset: Path, tmp_path: Path, change: str) -> None:
    made = open_dataset(str(dataset)).manifest
    begin_run(str(tmp_path), "name", config(1), made)
    (tmp_path / "name/checkpoint.json").write_text("{}")
    before = (tmp_path / "name/config.yaml").read_bytes()
    begin_run(str(tmp_path), "name", config(1, change), made)
    assert (tmp_path / "name/config.yaml").read_bytes() == before


@pytest.mark.parametrize("change", ["log_every_steps=3", "epochs=9", "model.embedding_units=2", "sample.chars=3"])
def test_run_does_not_continue_with_another_value_of_any_other_key(dataset: Path, tmp_path: Path, change: str) -> None:
    made = open_dataset(str(dataset)).manifest
    begin_run(str(tmp_path), "name", config(1), made)
    (tmp_path / "name/checkpoint.json").write_text("{}")
    with pytest.raises(InputError, match=f"{change.split('=')[0]}=.*, now {change.split('=')[1]}"):
        begin_run(str(tmp_path), "name", config(1, change), made)


def config(seed: int, *changes: str) -> TrainConfig:
    return load_config(TrainConfig, sets=["dataset=d", "runs=r", f"seed={seed}", *changes])


@pytest.mark.parametrize("key", ["metrics_port", "min_gpus", "report", "profile", "staging"])
def test_run_of_a_version_without_a_changeable_key_is_read(dataset: Path, tmp_path: Path, key: str) -> None:
    written = config(1)
    begin_run(str(tmp_path), "small", written, open_dataset(str(dataset)).manifest)
    file = tmp_path / "small/config.yaml"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if not line.startswith(f"{key}:")))
    assert open_run(str(tmp_path / "small")).config == written


@pytest.mark.parametrize("key", ["model.lstm_units", "model", "seed", "runs"])
def test_run_of_a_version_without_another_key_is_refused(dataset: Path, tmp_path: Path, key: str) -> None:
    begin_run(str(tmp_path), "small", config(1), open_dataset(str(dataset)).manifest)
    file = tmp_path / "small/config.yaml"
    values = yaml.safe_load(file.read_text())
    section, _, name = key.rpartition(".")
    del (values[section] if section else values)[name]
    file.write_text(yaml.safe_dump(values))
    with pytest.raises(InputError, match=f"^{file}: {key}.*: missing$"):
        open_run(str(tmp_path / "small"))


def test_folder_without_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{tmp_path}: no config.yaml and manifest.json: not a run"):
        open_run(str(tmp_path))


@pytest.fixture(params=["folder", "gs"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty folder, once on disk and once in Cloud Storage."""
    return str(tmp_path) if request.param == "folder" else f"{request.getfixturevalue('store')}/place"


def test_message_for_a_url_without_run_has_the_command_that_trains_one(place: str) -> None:
    for url in (f"{place}/no/run", "gs://reviews" if place.startswith("gs:") else f"{place}/run"):
        with pytest.raises(InputError, match="not a run: train one with python -m jobs.train$"):
            open_run(url)


def test_message_for_a_dataset_in_place_of_a_run_has_the_next_step(dataset: Path) -> None:
    with pytest.raises(InputError, match=f"{dataset}: a dataset, expected a run: .* --set dataset={dataset} "):
        open_run(str(dataset))


def test_message_for_a_run_in_place_of_a_dataset_says_so(dataset: Path, place: str) -> None:
    run = begin_run(place, "name", config(1), open_dataset(str(dataset)).manifest)
    with pytest.raises(InputError, match=f"dataset={run.url}: a run, expected a dataset, such as the one that its"):
        open_dataset(run.url)


def test_message_for_a_url_without_dataset_has_the_command_that_makes_one(place: str) -> None:
    with pytest.raises(InputError, match="or one that was not finished: make one with python -m jobs.preprocess$"):
        open_dataset(f"{place}/dataset")


def test_message_for_a_run_without_checkpoint_says_so(dataset: Path, tmp_path: Path) -> None:
    begin_run(str(tmp_path), "name", config(1), open_dataset(str(dataset)).manifest)
    with pytest.raises(InputError, match="name: no checkpoint.json: a run without a checkpoint yet: train on, or wait"):
        load_model(open_run(str(tmp_path / "name")))


@pytest.mark.parametrize("name", ["config.yaml", "manifest.json"])
def test_run_without_its_config_or_manifest_is_refused(dataset: Path, tmp_path: Path, name: str) -> None:
    made = open_dataset(str(dataset)).manifest
    begin_run(str(tmp_path), "name", config(1), made)
    (tmp_path / "name/checkpoint.json").write_text("{}")
    (tmp_path / "name" / name).unlink()
    with pytest.raises(
        InputError, match=f"{tmp_path}/name: no {name}, though there is a checkpoint.json: put it back, or use another"
    ):
        begin_run(str(tmp_path), "name", config(1), made)


def test_runs_of_one_identity_have_one_result(dataset: Path) -> None:
    made = open_dataset(str(dataset)).manifest
    own = hash_identity(config(1), made)
    assert hash_identity(config(1, "runs=elsewhere", "staging.max_bytes=9"), made) == own
    others = (hash_identity(config(2), made), hash_identity(config(1), replace(made, fingerprint="another")))
    assert own not in others


def test_segment_is_no_longer_than_the_largest_shard(dataset: Path) -> None:
    made = open_dataset(str(dataset)).manifest
    largest = max(shard.records for shard in made.shards_of("train"))
    long, fitting = (
        load_config(TrainConfig, sets=["dataset=d", "runs=r", f"carry_windows={windows}"])
        for windows in (10**6, largest)
    )
    assert plan_run(long, made) == plan_run(fitting, made)
    assert build_order(long, made).steps_per_epoch == plan_run(long, made).steps_per_epoch
    assert plan_run(long, made).steps_per_epoch % largest == 0
