"""Scheduled retraining, night after night, on a small bucket."""

import json
import logging
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from jobs import demo_reviews, retrain
from jobs.cli.config import load_config
from jobs.promotion.decision import earlier_decision
from jobs.promotion.registry import ModelRegistry, PromotedModel
from preprocessing.dataset.folder import open_dataset
from preprocessing.errors import InputError
from preprocessing.storage.urls import open_bucket
from tests.jobs.promotion.test_registry import model
from tests.support.inputs import SMALL_WINDOWS, nested, sets
from tests.support.runs import SMALL, finish, outcome, saved_step, start, wait_until
from trainer.config import TrainConfig
from trainer.runs.folder import begin_run, open_run

PREPROCESS = SMALL_WINDOWS | {"shards": 1}


def night(bucket: object, reviews: object, name: str, folder: Path, **changes: object) -> list[str]:
    """Return the arguments of one night. `changes` change the small run's configuration, in a file in `folder`."""
    training = nested(SMALL | {"model.lstm_units": "[8]", "max_chars": 30 * 64 * 16} | changes)
    files = {"preprocess": PREPROCESS, "train": training, "promote": {"min_gain_bits": 0.02, "batch_windows": 512}}
    for job, values in files.items():
        (folder / f"{job}.yaml").write_text(yaml.safe_dump(values))
    paths = {job: folder / f"{job}.yaml" for job in files}
    return ["--run", name, *sets(reviews=reviews, bucket=bucket, **paths)]


def write_reviews(path: Path, *, seed: int) -> Path:
    demo_reviews.main(sets(output=path, reviews=250, seed=seed))
    return path


def history(bucket: object) -> list[PromotedModel]:
    return list(ModelRegistry(f"{bucket}/models").history)


def contents(url: str) -> dict[str, bytes]:
    bucket = open_bucket(url)
    return {name: bucket.read(name) for name in bucket.names()}


def test_each_night_trains_and_decides_on_new_reviews_once(
    store: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bucket, reviews = f"{store}/nightly", write_reviews(tmp_path / "reviews.jsonl", seed=1)
    retrain.main(night(f"{bucket}/", reviews, "monday", tmp_path))
    [first] = history(bucket)
    assert (first.number, first.reason, first.run) == (1, "first model", f"{bucket}/runs/monday")
    assert open_run(first.run).config.dataset == f"{bucket}/datasets/{first.dataset[:8]}"

    before = contents(bucket)
    retrain.main(night(bucket, reviews, "tuesday", tmp_path))
    assert caplog.messages[-1] == f"nothing new: a model of these reviews was promoted as number 1 on {first.promoted}"
    assert contents(bucket) == before

    write_reviews(reviews, seed=2)
    retrain.main(night(bucket, reviews, "wednesday", tmp_path))
    second, _ = history(bucket)
    assert f"initial weights from {first.run}" in caplog.text
    assert second.gain_bits
    assert second.gain_bits > 0.02
    # The old dataset stays, for a run that may still train on it.
    assert open_dataset(f"{bucket}/datasets/{first.dataset[:8]}").manifest.fingerprint == first.dataset

    # A tiny learning rate learns nothing: the model is refused, and not trained again the next night.
    write_reviews(reviews, seed=3)
    retrain.main(night(bucket, reviews, "thursday", tmp_path, learning_rate=1e-9))
    before = contents(bucket)
    assert history(bucket) == [second, first]
    retrain.main(night(bucket, reviews, "friday", tmp_path))
    assert caplog.messages[-1].startswith("nothing new: a model of these reviews was refused on ")
    assert contents(bucket) == before


def test_stopped_and_killed_run_resumes_with_its_own_reviews(tmp_path: Path) -> None:
    bucket, reviews = tmp_path / "bucket", write_reviews(tmp_path / "reviews.jsonl", seed=1)
    run, whole = bucket / "runs/night", {"max_chars": 0, "epochs": 2}
    argv = night(bucket, reviews, "night", tmp_path, **whole)
    process = start(argv, job="retrain")
    wait_until(lambda: saved_step(run) > 0, process)
    process.send_signal(signal.SIGTERM)
    finish(process, code=143)
    stopped_at, begun = saved_step(run), (run / "manifest.json").read_bytes()
    write_reviews(reviews, seed=2)
    process = start(argv, job="retrain")
    wait_until(lambda: saved_step(run) > stopped_at, process)
    process.kill()
    process.wait()
    assert history(bucket) == []
    retrain.main(argv)
    [first] = history(bucket)
    assert (run / "manifest.json").read_bytes() == begun
    assert first.dataset == json.loads(begun)["fingerprint"]
    assert len(list((bucket / "datasets").iterdir())) == 1
    before = outcome(run)
    retrain.main(argv)
    assert (outcome(run), history(bucket)) == (before, [first])


def test_one_of_two_concurrent_runs_is_promoted_and_the_other_does_no_harm(tmp_path: Path) -> None:
    bucket, reviews = tmp_path / "bucket", write_reviews(tmp_path / "reviews.jsonl", seed=1)
    argv = {name: night(bucket, reviews, name, tmp_path) for name in ("first", "second")}
    processes = {name: start(argv[name], job="retrain") for name in argv}
    for name, process in processes.items():
        errors = process.output()
        assert process.returncode in (0, 1), errors
        assert "Traceback" not in errors
        if process.returncode:
            retrain.main(argv[name])
    [first] = history(bucket)
    earlier = earlier_decision(ModelRegistry(f"{bucket}/models"), first.dataset)
    assert earlier == f"promoted as number 1 on {first.promoted}"


def test_production_with_other_layers_gives_no_initial_weights_and_with_other_symbols_stops_before_training(
    dataset: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    opened, registry = open_dataset(str(dataset)), ModelRegistry(str(tmp_path / "models"))
    sets = ["dataset=d", "runs=r"]
    same, other = (load_config(TrainConfig, sets=[*sets, f"model.lstm_units={n}"]) for n in ("[8]", "[9]"))
    assert retrain.production_run(registry, opened, same) == ""
    begin_run(str(tmp_path), "run", same, opened.manifest)
    registry.promote(model(tmp_path, 1, run=str(tmp_path / "run")))
    assert retrain.production_run(registry, opened, same) == str(tmp_path / "run")
    assert retrain.production_run(registry, opened, other) == ""
    assert caplog.messages[-1].startswith("no initial weights from production: lstm_units=[8], now [9]")
    symbols = replace(opened, manifest=replace(opened.manifest, vocabulary=opened.manifest.vocabulary[::-1]))
    with pytest.raises(InputError, match="its vocabulary is not the one that .*run was trained on.*--force"):
        retrain.production_run(registry, symbols, same)
    for name in ("config.yaml", "manifest.json"):
        (tmp_path / "run" / name).unlink()
    with pytest.raises(
        InputError, match="current.json: the new model could not be compared with number 1: .*run: no config.yaml"
    ):
        retrain.production_run(registry, opened, same)


def test_without_production_warm_start_comes_from_the_configuration(tmp_path: Path) -> None:
    reviews, elsewhere = write_reviews(tmp_path / "reviews.jsonl", seed=1), tmp_path / "elsewhere"
    with pytest.raises(InputError, match=f"{elsewhere}"):
        retrain.main(night(tmp_path / "bucket", reviews, "night", tmp_path, warm_start=str(elsewhere)))


def test_wrong_configuration_of_a_later_step_is_refused_before_the_first_step(tmp_path: Path) -> None:
    bucket, reviews = tmp_path / "bucket", write_reviews(tmp_path / "reviews.jsonl", seed=1)
    argv = night(bucket, reviews, "night", tmp_path)
    for job in ("train", "promote"):
        file = tmp_path / f"{job}.yaml"
        text = file.read_text()
        file.write_text(f"{text}margin: 1\n")
        with pytest.raises(InputError, match=f"{file}: unknown key margin=1"):
            retrain.main(argv)
        file.write_text(text)
    with pytest.raises(InputError, match="--run Night: expected lower-case letters"):
        retrain.main(night(bucket, reviews, "Night", tmp_path))
    assert not bucket.exists()
    argv = night(bucket, reviews, "night", tmp_path)
    (tmp_path / "preprocess.yaml").write_text(yaml.safe_dump(PREPROCESS | {"test_fraction": 0.0}))
    with pytest.raises(InputError, match="no test split"):
        retrain.main(argv)
    assert not (bucket / "runs").exists()


def test_several_workers_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WORKERS": "2", "JOB_COMPLETION_INDEX": "1", "PEERS": "w{index}:1"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match="jobs.retrain runs alone"):
        retrain.main(night(tmp_path / "bucket", tmp_path / "reviews.jsonl", "night", tmp_path))


def test_import_of_retrain_imports_neither_tensorflow_nor_beam() -> None:
    script = "import sys, jobs.retrain; sys.exit(bool({'tensorflow', 'apache_beam'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
