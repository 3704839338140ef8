"""k8s/retrain.yaml: a tick of the CronJob, and what is in production after it."""

import json
from typing import Any

import pytest

from jobs import promote
from jobs.promotion.registry import Models
from tests.cluster.conftest import Place

MODELS = "gs://reviews/models"


def apply(place: Place, **train: Any) -> None:
    """The CronJob, which waits for somebody to start its Jobs, and the settings of their training."""
    *others, cron_job = place.objects("retrain.yaml", **train)
    cron_job["spec"]["suspend"] = True
    place.namespace.apply([*others, cron_job])


def start(place: Place, name: str) -> None:
    place.namespace.kubectl("create", "job", "--from=cronjob/retrain", name)


def tick(place: Place, name: str) -> str:
    """What the Job says, once it is Complete."""
    start(place, name)
    place.namespace.ended(name)
    return place.namespace.kubectl("logs", f"job/{name}")


@pytest.mark.minutes
def test_each_night_a_better_model_takes_the_place_of_production_and_a_worse_one_does_not(place: Place) -> None:
    apply(place, epochs=1)
    # The schedule may fire twice.
    start(place, "first")
    start(place, "twice")
    for name in ("first", "twice"):
        place.namespace.ended(name)
    [model] = Models(MODELS).history
    assert (model.number, model.previous) == (1, None)
    assert model.reason.startswith("first model")

    before = place.bucket.names()
    assert "nothing new" in tick(place, "no-news")
    assert place.bucket.names() == before

    place.add_reviews(0)
    apply(place, epochs=4)
    tick(place, "better")
    better, _ = Models(MODELS).history
    assert better.run == "gs://reviews/runs/better"
    assert better.gain_bits is not None
    assert better.gain_bits > 0
    assert f"warm_start: {model.run}" in place.bucket.read("runs/better/config.yaml").decode()
    assert [name for name in place.bucket.names("models/reports/") if name.endswith("-better.md")]

    place.add_reviews(1)
    apply(place, epochs=1, learning_rate=1.0)
    pointer = place.bucket.read("models/current.json")
    tick(place, "worse")
    assert place.bucket.read("models/current.json") == pointer
    [report] = [name for name in place.bucket.names("models/reports/") if name.endswith("-worse.json")]
    assert json.loads(place.bucket.read(report))["promoted"] is False
    assert "nothing new" in tick(place, "refused-already")

    promote.main(["--to", MODELS, "--rollback"])
    assert Models(MODELS).history[0].run == model.run
