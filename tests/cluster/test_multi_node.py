"""k8s/train-multi-node.yaml: two pods train one model."""

import pytest

from preprocessing.pipeline.publish import delete_objects
from tests.cluster.conftest import Sandbox
from tests.support.runs import outcome

JOB = "train-multi-node"
RUN = f"gs://reviews/runs/{JOB}"


def apply(sandbox: Sandbox) -> None:
    sandbox.namespace.apply(sandbox.objects("train-multi-node.yaml", epochs=10))


@pytest.mark.minutes
def test_two_pods_train_one_model_and_recover_as_a_whole(sandbox: Sandbox) -> None:
    namespace = sandbox.namespace
    apply(sandbox)
    namespace.wait_for_job(JOB)
    assert len(namespace.pods(JOB)) == 2
    assert "worker 1 of" in namespace.kubectl("logs", "-l", "batch.kubernetes.io/job-completion-index=1", "--tail=-1")
    expected = outcome(RUN)

    namespace.kubectl("delete", "job", JOB)
    delete_objects(sandbox.bucket, sandbox.bucket.names("runs/"))
    apply(sandbox)
    for index in (1, 0):
        namespace.kubectl("delete", "pod", sandbox.training_pod(JOB, index), "--wait=false")
    job = namespace.wait_for_job(JOB)
    assert job["status"]["succeeded"] == 2
    assert outcome(RUN) == expected
