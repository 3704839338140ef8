"""k8s/train-multi-node.yaml: two pods train one model."""

import pytest

from preprocessing.pipeline.publish import delete_objects
from tests.cluster.conftest import Place
from tests.support.runs import outcome

JOB = "train-multi-node"
RUN = f"gs://reviews/runs/{JOB}"


def apply(place: Place) -> None:
    place.namespace.apply(place.objects("train-multi-node.yaml", epochs=10))


@pytest.mark.minutes
def test_two_pods_train_one_model_and_recover_as_a_whole(place: Place) -> None:
    namespace = place.namespace
    apply(place)
    namespace.ended(JOB)
    assert len(namespace.pods(JOB)) == 2
    assert "worker 1 of" in namespace.kubectl("logs", "-l", "batch.kubernetes.io/job-completion-index=1", "--tail=-1")
    expected = outcome(RUN)

    namespace.kubectl("delete", "job", JOB)
    delete_objects(place.bucket, place.bucket.names("runs/"))
    apply(place)
    for index in (1, 0):
        namespace.kubectl("delete", "pod", place.training_pod(JOB, index), "--wait=false")
    job = namespace.ended(JOB)
    assert job["status"]["succeeded"] == 2
    assert outcome(RUN) == expected
