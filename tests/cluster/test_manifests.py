"""Whether the cluster would take each manifest, and each overlay, as they are."""

import itertools
import json
from pathlib import Path

import pytest

from tests.cluster.manifests import K8S, composed, containers
from tests.cluster.namespace import Namespace, kubectl

MANIFESTS = [path for path in sorted(K8S.glob("*.yaml")) if path.name != "kustomization.yaml"]
OVERLAYS = ("local", "spot", "kueue")


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: str(path.name))
def test_each_manifest_is_taken(namespace: Namespace, path: Path) -> None:
    said = namespace.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", str(path))
    assert "created" in said


@pytest.mark.parametrize(
    "overlays", [(), *itertools.combinations(OVERLAYS, 1), ("spot", "kueue")], ids=lambda overlays: "+".join(overlays)
)
def test_each_overlay_is_taken(namespace: Namespace, overlays: tuple[str, ...]) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": composed(*overlays)}
    said = namespace.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=json.dumps(listed))
    assert "job.batch/train created" in said


def volume(image: str, namespace: Namespace) -> None:
    """A persistent volume on the node, for a cluster that makes none by itself."""
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
    made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": namespace.name}, "spec": spec}
    kubectl("--namespace=default", "apply", "-f", "-", stdin=json.dumps(made))
    kubectl("--namespace=default", "wait", "--for=jsonpath={.status.phase}=Succeeded", f"pod/{namespace.name}")
    kubectl("--namespace=default", "delete", "pod", namespace.name)
    claim = {"namespace": namespace.name, "name": "bucket"}
    persistent = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "5Gi"}, "claimRef": claim} | host
    metadata = {"name": namespace.name}
    one = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": persistent}
    kubectl("apply", "-f", "-", stdin=json.dumps(one))


def test_the_local_overlay_trains_in_a_volume_on_reviews_of_its_own(namespace: Namespace, image: str) -> None:
    volume(image, namespace)
    objects = composed("local")
    for one in objects:
        if one["kind"] in ("Job", "CronJob"):
            for container in containers(one):
                container["image"] = image
    [settings] = [one for one in objects if one["metadata"]["name"] == "settings"]
    settings["data"]["train.yaml"] += "max_chars: 200_000\n"  # of three million, for which one would wait
    namespace.apply(objects)
    namespace.ended("train")
    assert "bits per character" in namespace.kubectl("logs", "job/train")
