"""k8s/check.yaml: a pod in order passes, and a fault that a retry cannot help fails the Job at its first pod."""

import re

from tests.cluster.conftest import Sandbox

JOB = "check"
LINE = re.compile(r"^(ok|FAILED|skipped) +(\S.*?) +\d+\.\d\d s  ", re.MULTILINE)
OK = {
    *("scratch", "shared memory", "devices", "LSTM layers", "sum over replicas", "training step twice"),
    *(f"bucket: {name}" for name in ("open", "write", "conditional write", "list", "read", "clock", "delete")),
}


def outcomes(sandbox: Sandbox) -> dict[str, str]:
    """Return the outcome of each check in the Job's log."""
    return {name: outcome for outcome, name in LINE.findall(sandbox.namespace.kubectl("logs", f"job/{JOB}"))}


def test_pod_in_order_passes_and_leaves_the_bucket_as_it_was(sandbox: Sandbox) -> None:
    before = sandbox.bucket.names()
    sandbox.namespace.apply(sandbox.objects("check.yaml"))
    job = sandbox.namespace.wait_for_job(JOB)
    assert job["status"].get("failed", 0) == 0
    assert outcomes(sandbox) == dict.fromkeys(OK, "ok") | {"dataset": "skipped"}
    assert sandbox.bucket.names() == before


def test_bucket_that_does_not_exist_fails_the_job_at_its_first_pod(sandbox: Sandbox) -> None:
    objects = sandbox.objects("check.yaml")
    [bucket] = [item for item in objects if item["metadata"]["name"] == "bucket"]
    bucket["data"]["BUCKET"] = "gs://nobody"
    sandbox.namespace.apply(objects)
    job = sandbox.namespace.wait_for_job(JOB, "Failed")
    assert job["status"]["failed"] == 1
    found = outcomes(sandbox)
    assert (found["bucket: write"], found["devices"]) == ("FAILED", "ok")
