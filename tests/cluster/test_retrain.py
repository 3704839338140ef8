"""k8s/retrain.yaml: Jobs of the CronJob, and the production model after each."""

import json
from typing import Any

import pytest

from jobs import promote
from jobs.promotion.registry import ModelRegistry
from tests.cluster.conftest import Sandbox

MODELS = "gs://reviews/models"


def apply(sandbox: Sandbox, **train: Any) -> None:
    """Apply the CronJob, suspended so that only `start` creates Jobs. `train` changes keys of jobs.train."""
    *others, cron_job = sandbox.objects("retrain.yaml", **train)
    cron_job["spec"]["suspend"] = True
    sandbox.namespace.apply([*others, cron_job])


def start(sandbox: Sandbox, name: str) -> None:
    """Create a Job of the CronJob."""
    sandbox.namespace.kubectl("create", "job", "--from=cronjob/retrain", name)


def retrain(sandbox: Sandbox, name: str) -> str:
    """Create a Job, wait until it is Complete, and return its log."""
    start(sandbox, name)
    sandbox.namespace.wait_for_job(name)
    return sandbox.namespace.kubectl("logs", f"job/{name}")


@pytest.mark.minutes
def test_each_night_a_better_model_takes_the_place_of_production_and_a_worse_one_does_not(sandbox: Sandbox) -> None:
    apply(sandbox, epochs=1)
    # A CronJob may create two Jobs for one time.
    start(sandbox, "first")
    start(sandbox, "twice")
    for name in ("first", "twice"):
        sandbox.namespace.wait_for_job(name)
    [model] = ModelRegistry(MODELS).history
    assert (model.number, model.previous) == (1, None)
    assert model.reason.startswith("first model")

    before = sandbox.bucket.names()
    assert "nothing new" in retrain(sandbox, "no-news")
    assert sandbox.bucket.names() == before

    sandbox.add_reviews(0)
    apply(sandbox, epochs=4)
    retrain(sandbox, "better")
    better, _ = ModelRegistry(MODELS).history
    assert better.run == "gs://reviews/runs/better"
    assert better.gain_bits is not None
    assert better.gain_bits > 0
    assert f"warm_start: {model.run}" in sandbox.bucket.read("runs/better/config.yaml").decode()
    assert [name for name in sandbox.bucket.names("models/reports/") if name.endswith("-better.md")]

    sandbox.add_reviews(1)
    apply(sandbox, epochs=1, learning_rate=1.0)
    pointer = sandbox.bucket.read("models/current.json")
    retrain(sandbox, "worse")
    assert sandbox.bucket.read("models/current.json") == pointer
    [report] = [name for name in sandbox.bucket.names("models/reports/") if name.endswith("-worse.json")]
    assert json.loads(sandbox.bucket.read(report))["promoted"] is False
    assert "nothing new" in retrain(sandbox, "refused-already")

    promote.main(["--to", MODELS, "--rollback"])
    assert ModelRegistry(MODELS).history[0].run == model.run
