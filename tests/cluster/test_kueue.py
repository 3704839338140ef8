"""k8s/overlays/kueue: a Job waits for quota, and is preempted by a Job of higher priority."""

import pytest

from tests.cluster.conftest import Sandbox
from tests.cluster.manifests import Object, composed, settings
from tests.cluster.namespace import kubectl
from tests.support.runs import outcome, saved_step

RUN = "gs://reviews/runs/train"


@pytest.fixture
def queue(sandbox: Sandbox) -> Sandbox:
    """Create a queue in the namespace, with a quota of one GPU."""
    if "kueue" not in kubectl("api-resources", "--api-group=kueue.x-k8s.io", "-o", "name"):
        pytest.skip("needs Kueue in the cluster")
    name = sandbox.namespace.name
    group = {"coveredResources": ["cpu", "memory", "ephemeral-storage", "nvidia.com/gpu"]}
    plenty = [{"name": resource, "nominalQuota": "1000Gi"} for resource in ("cpu", "memory", "ephemeral-storage")]
    flavors = [{"name": name, "resources": [*plenty, {"name": "nvidia.com/gpu", "nominalQuota": 1}]}]
    sandbox.namespace.apply(
        [
            kueue_object("ResourceFlavor", name, {}),
            kueue_object(
                "ClusterQueue",
                name,
                {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}},
                    "preemption": {"withinClusterQueue": "LowerPriority"},
                    "resourceGroups": [group | {"flavors": flavors}],
                },
            ),
            kueue_object("LocalQueue", "training", {"clusterQueue": name}),
            kueue_object("WorkloadPriorityClass", "training", None) | {"value": 100},
            kueue_object("WorkloadPriorityClass", "urgent", None) | {"value": 1000},
        ]
    )
    return sandbox


def kueue_object(kind: str, name: str, spec: Object | None) -> Object:
    item: Object = {"apiVersion": "kueue.x-k8s.io/v1beta1", "kind": kind, "metadata": {"name": name}}
    return item if spec is None else item | {"spec": spec}


def queued(sandbox: Sandbox, name: str, priority: str = "training") -> list[Object]:
    """Return the overlay's Job with this name and priority."""
    [job] = [item for item in composed("kueue") if item["kind"] == "Job"]
    job["metadata"]["name"] = name
    job["metadata"]["labels"]["kueue.x-k8s.io/priority-class"] = priority
    return sandbox.shrunk([job])


@pytest.mark.minutes
def test_a_second_job_waits_and_an_urgent_one_preempts_the_first(queue: Sandbox, undisturbed: Object) -> None:
    namespace = queue.namespace
    namespace.apply(queue.shrunk(settings()))
    namespace.apply(queued(queue, "train"))
    namespace.wait("a checkpoint", lambda: saved_step(RUN) > 0)
    namespace.apply(queued(queue, "second"))
    namespace.wait("the second Job's suspension", lambda: namespace.get("job", "second")["spec"].get("suspend"))
    namespace.apply(queued(queue, "urgent", "urgent"))
    namespace.wait("the first Job's suspension", lambda: namespace.get("job", "train")["spec"].get("suspend"))
    step = saved_step(RUN)
    namespace.wait_for_job("urgent")
    assert namespace.get("job", "train")["status"].get("failed", 0) == 0
    job = namespace.wait_for_job("train")
    assert job["status"].get("failed", 0) == 0
    assert outcome(RUN) == undisturbed["outcome"]
    assert 0 < step < saved_step(RUN)
