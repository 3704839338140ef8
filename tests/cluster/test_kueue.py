"""k8s/overlays/kueue: a Job waits for quota, and makes way for one of a higher priority."""

import pytest

from tests.cluster.conftest import Place
from tests.cluster.manifests import Object, composed, settings
from tests.cluster.namespace import kubectl
from tests.support.runs import outcome, saved_step

RUN = "gs://reviews/runs/train"


@pytest.fixture
def queue(place: Place) -> Place:
    """A queue of the namespace's own with a quota of one GPU."""
    if "kueue" not in kubectl("api-resources", "--api-group=kueue.x-k8s.io", "-o", "name"):
        pytest.skip("needs Kueue in the cluster")
    own = place.namespace.name
    group = {"coveredResources": ["cpu", "memory", "ephemeral-storage", "nvidia.com/gpu"]}
    plenty = [{"name": name, "nominalQuota": "1000Gi"} for name in ("cpu", "memory", "ephemeral-storage")]
    flavors = [{"name": own, "resources": [*plenty, {"name": "nvidia.com/gpu", "nominalQuota": 1}]}]
    place.namespace.apply(
        [
            kind("ResourceFlavor", own, {}),
            kind(
                "ClusterQueue",
                own,
                {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": own}},
                    "preemption": {"withinClusterQueue": "LowerPriority"},
                    "resourceGroups": [group | {"flavors": flavors}],
                },
            ),
            kind("LocalQueue", "training", {"clusterQueue": own}),
            kind("WorkloadPriorityClass", "training", None) | {"value": 100},
            kind("WorkloadPriorityClass", "urgent", None) | {"value": 1000},
        ]
    )
    return place


def kind(name: str, of: str, spec: Object | None) -> Object:
    found: Object = {"apiVersion": "kueue.x-k8s.io/v1beta1", "kind": name, "metadata": {"name": of}}
    return found if spec is None else found | {"spec": spec}


def queued(place: Place, name: str, priority: str = "training") -> list[Object]:
    """The Job of the overlay, under another name and perhaps with another priority."""
    [job] = [one for one in composed("kueue") if one["kind"] == "Job"]
    job["metadata"]["name"] = name
    job["metadata"]["labels"]["kueue.x-k8s.io/priority-class"] = priority
    return place.shrunk([job])


@pytest.mark.minutes
def test_a_second_job_waits_and_an_urgent_one_preempts_the_first(queue: Place, undisturbed: Object) -> None:
    namespace = queue.namespace
    namespace.apply(queue.shrunk(settings()))
    namespace.apply(queued(queue, "train"))
    namespace.wait("a checkpoint", lambda: saved_step(RUN) > 0)
    namespace.apply(queued(queue, "second"))
    namespace.wait("the second Job's suspension", lambda: namespace.get("job", "second")["spec"].get("suspend"))
    namespace.apply(queued(queue, "urgent", "urgent"))
    namespace.wait("the first Job's suspension", lambda: namespace.get("job", "train")["spec"].get("suspend"))
    at = saved_step(RUN)
    namespace.ended("urgent")
    assert namespace.get("job", "train")["status"].get("failed", 0) == 0
    job = namespace.ended("train")
    assert job["status"].get("failed", 0) == 0
    assert outcome(RUN) == undisturbed["outcome"]
    assert 0 < at < saved_step(RUN)
