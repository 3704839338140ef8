"""Errors that a retry cannot help: the Job fails at once, and `kubectl describe pod` shows the message."""

import json
from pathlib import Path

from tests.cluster.conftest import Sandbox
from tests.cluster.manifests import Object, pod
from tests.support.inputs import small_dataset


def failure_message(sandbox: Sandbox, objects: list[Object]) -> str:
    """Apply objects whose Job must fail at its first pod. Returns the last line of the container with exit code 2."""
    sandbox.namespace.apply(objects)
    job = sandbox.namespace.wait_for_job("train", "Failed")
    [condition] = [item for item in job["status"]["conditions"] if item["type"] == "Failed"]
    assert condition["reason"] == "PodFailurePolicy"
    assert job["status"]["failed"] == 1
    assert len(sandbox.namespace.pods("train")) == 1
    [message] = [message for code, _, message in sandbox.namespace.terminations("train") if code == 2]
    return str(json.loads(message.splitlines()[-1])["message"])


def test_a_wrong_key_fails_the_job_at_once(sandbox: Sandbox) -> None:
    line = failure_message(sandbox, sandbox.objects("train.yaml", lerning_rate=0.1))
    assert (
        line == "train: /etc/training/train.yaml: unknown key lerning_rate=0.1; the nearest known key is learning_rate"
    )


def test_missing_reviews_fail_the_job_at_once(sandbox: Sandbox) -> None:
    sandbox.bucket.delete("reviews.jsonl")
    line = failure_message(sandbox, sandbox.objects("train.yaml"))
    assert line.startswith("preprocess: ")
    assert "gs://reviews/reviews.jsonl" in line


def test_an_altered_shard_fails_the_job_at_once(sandbox: Sandbox, reviews_file: Path, tmp_path: Path) -> None:
    small_dataset(reviews_file, tmp_path / "dataset")
    for path in sorted(tmp_path.glob("dataset/*.*")):
        sandbox.bucket.upload(path, f"dataset/{path.name}")
    [shard, *_] = [name for name in sandbox.bucket.names("dataset/") if "/train-" in name]
    data = bytearray(sandbox.bucket.read(shard))
    data[len(data) // 2] ^= 1
    sandbox.bucket.write(shard, bytes(data))
    *others, job = sandbox.objects("train.yaml")
    del pod(job)["initContainers"]  # it would find the damage and rebuild the dataset
    line = failure_message(sandbox, [*others, job])
    assert line.startswith(f"train: gs://reviews/{shard}: SHA-256 ")


def test_an_altered_shard_is_made_anew_by_the_preprocessing_before_the_training(sandbox: Sandbox) -> None:
    sandbox.namespace.apply(sandbox.objects("preprocess.yaml"))
    sandbox.namespace.wait_for_job("preprocess")
    [shard, *_] = [name for name in sandbox.bucket.names("dataset/") if "/train-" in name]
    before = sandbox.bucket.read(shard)
    sandbox.bucket.write(shard, before[:-1] + b"x")
    sandbox.namespace.apply(sandbox.objects("train.yaml", epochs=1))
    sandbox.namespace.wait_for_job("train")
    assert sandbox.bucket.read(shard) == before


def test_the_image_has_a_user_of_its_own_that_is_not_root(sandbox: Sandbox) -> None:
    sandbox.namespace.apply(sandbox.objects("preprocess.yaml"))  # names no user, and the namespace refuses root
    sandbox.namespace.wait_for_job("preprocess")


def test_a_namespace_that_is_restricted_refuses_a_pod_that_asks_for_root(sandbox: Sandbox) -> None:
    *settings, job = sandbox.objects("preprocess.yaml")
    pod(job)["securityContext"]["runAsUser"] = 0
    sandbox.namespace.apply([*settings, job])
    sandbox.namespace.wait("its refusal", lambda: "violates PodSecurity" in sandbox.namespace.kubectl("get", "events"))
