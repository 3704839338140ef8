"""The project's manifests as objects, and what a test changes in them: the image, the store, and how much they need."""

import copy
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

# Half a minute's training, so that there is time to disturb it.
TRAIN = SETTINGS | {"epochs": 24}
# Of the machine's two cores and of its memory, for several Jobs at once.
SMALL = {"requests": {"cpu": "50m", "memory": "256Mi"}, "limits": {"memory": "2500Mi"}}


def read(name: str) -> list[Object]:
    """A manifest's objects."""
    return list(yaml.safe_load_all((K8S / name).read_text()))


def settings() -> list[Object]:
    """What the manifests share: a service account, and two ConfigMaps."""
    return [one for one in read("train.yaml") if one["metadata"].get("labels") == SETTINGS_LABEL]


def job(name: str) -> list[Object]:
    """What a manifest has beside the settings: a Job or CronJob, perhaps a Service."""
    return [one for one in read(name) if one["metadata"].get("labels") != SETTINGS_LABEL]


def composed(*overlays: str) -> list[Object]:
    """What `kubectl apply -k k8s` applies with these overlays."""
    with tempfile.TemporaryDirectory(prefix="k8s-") as folder:
        root = Path(folder, "k8s")
        shutil.copytree(K8S, root)
        base = yaml.safe_load((root / "kustomization.yaml").read_text())
        base["components"] = [f"overlays/{overlay}" for overlay in overlays]
        (root / "kustomization.yaml").write_text(yaml.safe_dump(base))
        built = subprocess.run(["kubectl", "kustomize", str(root)], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return list(yaml.safe_load_all(built.stdout))


def pod(one: Object) -> Object:
    """The pod's specification in a Job or CronJob."""
    spec: Object = one["spec"]
    if one["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    found: Object = spec["template"]["spec"]
    return found


def containers(one: Object) -> Iterator[Object]:
    spec = pod(one)
    yield from spec.get("initContainers", [])
    yield from spec["containers"]


def shrunk(objects: Sequence[Object], *, image: str, train: Object | None = None, **environment: str) -> list[Object]:
    """The same for a small cluster: `train` changes keys of jobs.train, `environment` the ConfigMap's."""
    changed = copy.deepcopy(list(objects))
    for one in changed:
        if one["kind"] == "ConfigMap" and one["metadata"]["name"] == "bucket":
            one["data"] |= environment
        elif one["kind"] == "ConfigMap":
            served = {"metrics_port": yaml.safe_load(one["data"]["train.yaml"])["metrics_port"]}
            one["data"] |= {
                "preprocess.yaml": yaml.safe_dump(SMALL_WINDOWS),
                "train.yaml": yaml.safe_dump(nested(TRAIN | served | (train or {}))),
            }
        elif one["kind"] in ("Job", "CronJob"):
            for container in containers(one):
                container["image"] = image
                gpus = {k: v for k, v in container["resources"]["limits"].items() if k == "nvidia.com/gpu"}
                container["resources"] = SMALL | {"limits": SMALL["limits"] | gpus}
    return changed
