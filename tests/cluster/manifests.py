"""The manifests of k8s/ as objects, with the image, store and resources of a test cluster."""

import copy
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.support.inputs import SMALL_WINDOWS, nested
from tests.support.kills import SETTINGS

K8S = Path(__file__).parents[2] / "k8s"
SETTINGS_LABEL = {"part": "settings"}
Object = dict[str, Any]

# Trains for twenty seconds, so that a test can disturb the run.
TRAIN = SETTINGS | {"epochs": 16, "validate_every_chars": 0}
# Small enough for several Jobs at once on two cores.
SMALL = {"requests": {"cpu": "50m", "memory": "256Mi"}, "limits": {"memory": "2500Mi"}}


def read(name: str) -> list[Object]:
    """Read the objects of a manifest."""
    return list(yaml.safe_load_all((K8S / name).read_text()))


def settings() -> list[Object]:
    """Return the objects that all manifests share: a service account and two ConfigMaps."""
    return [item for item in read("train.yaml") if item["metadata"].get("labels") == SETTINGS_LABEL]


def job(name: str) -> list[Object]:
    """Return a manifest's own objects: a Job or CronJob, and a Service if there is one."""
    return [item for item in read(name) if item["metadata"].get("labels") != SETTINGS_LABEL]


def composed(*overlays: str, several_nodes: bool = False) -> list[Object]:
    """Return the objects that `kubectl apply -k k8s` applies with these overlays.

    With `several_nodes` the lines for check.yaml and train-multi-node.yaml are no comments.
    """
    with tempfile.TemporaryDirectory(prefix="k8s-") as folder:
        root = Path(folder, "k8s")
        shutil.copytree(K8S, root)
        text = (root / "kustomization.yaml").read_text()
        base = yaml.safe_load(re.sub("^( *)# (- |patches)", r"\1\2", text, flags=re.M) if several_nodes else text)
        base["components"] = [f"overlays/{overlay}" for overlay in overlays]
        (root / "kustomization.yaml").write_text(yaml.safe_dump(base))
        built = subprocess.run(["kubectl", "kustomize", str(root)], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return list(yaml.safe_load_all(built.stdout))


def pod(job: Object) -> Object:
    """Return the pod specification of a Job or CronJob."""
    spec: Object = job["spec"]
    if job["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    pod_spec: Object = spec["template"]["spec"]
    return pod_spec


def containers(job: Object) -> Iterator[Object]:
    """Yield the init containers and containers of a Job or CronJob."""
    spec = pod(job)
    yield from spec.get("initContainers", [])
    yield from spec["containers"]


def shrunk(objects: Sequence[Object], *, image: str, train: Object | None = None, **environment: str) -> list[Object]:
    """Return copies of objects for a small cluster.

    `train` changes keys of jobs.train. `environment` changes keys of the ConfigMap `bucket`.
    """
    copies = copy.deepcopy(list(objects))
    for item in copies:
        if item["kind"] == "ConfigMap" and item["metadata"]["name"] == "bucket":
            item["data"] |= environment
        elif item["kind"] == "ConfigMap":
            port = {"metrics_port": yaml.safe_load(item["data"]["train.yaml"])["metrics_port"]}
            item["data"] |= {
                "preprocess.yaml": yaml.safe_dump(SMALL_WINDOWS),
                "train.yaml": yaml.safe_dump(nested(TRAIN | port | (train or {}))),
            }
        elif item["kind"] in ("Job", "CronJob"):
            for container in containers(item):
                container["image"] = image
                gpus = {k: v for k, v in container["resources"]["limits"].items() if k == "nvidia.com/gpu"}
                container["resources"] = SMALL | {"limits": SMALL["limits"] | gpus}
    return copies
