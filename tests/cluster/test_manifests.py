"""Each manifest and overlay of k8s/ is accepted by the cluster's API server."""

import itertools
import json
from pathlib import Path

import pytest

from tests.cluster.manifests import K8S, composed, containers, pod
from tests.cluster.namespace import Namespace, kubectl

MANIFESTS = [path for path in sorted(K8S.glob("*.yaml")) if path.name != "kustomization.yaml"]
OVERLAYS = ("local", "gke", "spot", "kueue")


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: str(path.name))
def test_each_manifest_is_taken(namespace: Namespace, path: Path) -> None:
    output = namespace.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", str(path))
    assert "created" in output


@pytest.mark.parametrize(
    "overlays",
    [(), *itertools.combinations(OVERLAYS, 1), ("gke", "spot", "kueue")],
    ids=lambda overlays: "+".join(overlays),
)
def test_each_overlay_is_taken(namespace: Namespace, overlays: tuple[str, ...]) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": composed(*overlays)}
    output = namespace.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=json.dumps(listed))
    assert "job.batch/train created" in output


def test_the_overlays_cover_every_job_with_a_gpu(namespace: Namespace) -> None:
    objects = composed("gke", "spot", "kueue", several_nodes=True)
    jobs = {item["metadata"]["name"]: item for item in objects if item["kind"] in ("Job", "CronJob")}
    assert set(jobs) == {"check", "retrain", "train-multi-node"}
    for item in jobs.values():
        assert set(pod(item)["nodeSelector"]) == {"cloud.google.com/gke-accelerator", "cloud.google.com/gke-spot"}
        queued = item["spec"]["jobTemplate"] if item["kind"] == "CronJob" else item
        assert queued["metadata"]["labels"] == {"kueue.x-k8s.io/queue-name": "training"}
    listed = {"apiVersion": "v1", "kind": "List", "items": objects}
    namespace.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=json.dumps(listed))


def create_volume(image: str, namespace: Namespace) -> None:
    """Create a persistent volume on the node, unless the cluster has a default storage class."""
    if "is-default-class" in kubectl("get", "storageclass", "-o", "yaml"):
        return
    path = f"/var/tmp/{namespace.name}"
    mount = {"name": "bucket", "mountPath": "/bucket"}
    container = {
        "name": "volume",
        "image": image,
        "command": ["python", "-c", "import os; os.chmod('/bucket', 0o777)"],
        "securityContext": {"runAsUser": 0},
        "volumeMounts": [mount],
    }
    host = {"hostPath": {"path": path, "type": "DirectoryOrCreate"}}
    spec = {"containers": [container], "volumes": [{"name": "bucket"} | host], "restartPolicy": "Never"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": namespace.name}, "spec": spec}
    kubectl("--namespace=default", "apply", "-f", "-", stdin=json.dumps(pod))
    kubectl("--namespace=default", "wait", "--for=jsonpath={.status.phase}=Succeeded", f"pod/{namespace.name}")
    kubectl("--namespace=default", "delete", "pod", namespace.name)
    claim = {"namespace": namespace.name, "name": "bucket"}
    volume_spec = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "5Gi"}, "claimRef": claim} | host
    metadata = {"name": namespace.name}
    persistent_volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": volume_spec}
    kubectl("apply", "-f", "-", stdin=json.dumps(persistent_volume))


def test_the_local_overlay_trains_in_a_volume_on_reviews_of_its_own(namespace: Namespace, image: str) -> None:
    create_volume(image, namespace)
    objects = composed("local")
    for item in objects:
        if item["kind"] in ("Job", "CronJob"):
            for container in containers(item):
                container["image"] = image
    [settings] = [item for item in objects if item["metadata"]["name"] == "settings"]
    settings["data"]["train.yaml"] += "max_chars: 200_000\n"  # instead of three million, to save time
    namespace.apply(objects)
    namespace.wait_for_job("train")
    assert "bits per character" in namespace.kubectl("logs", "job/train")
