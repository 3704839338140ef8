"""kubectl apply -f k8s/train.yaml: to its end, however often it is disturbed."""

import json
import random
import re
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.cluster import store
from tests.cluster.conftest import Place
from tests.cluster.manifests import TRAIN, Object, pod
from tests.cluster.namespace import kubectl
from tests.support.runs import outcome

RUN = "gs://reviews/runs/train"
PORT = 9400
# In a pod, whose processes its containers share.
KILL = r"""
import os, pathlib, signal
processes = pathlib.Path("/proc").glob("[0-9]*/cmdline")
[pid] = [path.parent.name for path in processes if b"-m\0jobs.train\0" in path.read_bytes()]
os.kill(int(pid), signal.SIGKILL)
"""
# No process' own: so the kernel ends the largest one, which is the trainer.
FILL_MEMORY = "open('/dev/shm/full', 'wb').write(bytes(1 << 30))"


def test_one_apply_makes_dataset_and_model(undisturbed: Object) -> None:
    names = set(undisturbed["names"])
    assert {"dataset/manifest.json", "runs/train/config.yaml", "runs/train/checkpoint.json"} <= names
    assert {"runs/train/metrics.jsonl", "runs/train/report.html"} <= names
    for epoch in range(1, TRAIN["epochs"] + 1):
        assert f"runs/train/samples/epoch-{epoch:03}.txt" in names
    assert [name for name in names if re.fullmatch(r"dataset/train-.*\.tfrecord", name)]
    assert [name for name in names if name.startswith("runs/train/checkpoints/")]
    assert undisturbed["diversities"] == [0.2, 0.4, 0.6, 0.8]
    status = undisturbed["job"]["status"]
    assert (status["succeeded"], status.get("failed", 0)) == (1, 0)


def test_a_gpu_is_asked_for_and_counted(place: Place) -> None:
    nodes = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
    gpus = sum(int(node["status"]["allocatable"].get("nvidia.com/gpu", 0)) for node in nodes)
    if not gpus:
        pytest.skip("no node of this cluster counts nvidia.com/gpu")
    *settings, job = place.objects("train.yaml")
    pod(job)["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] = gpus + 1
    place.namespace.apply([*settings, job])

    def unschedulable() -> bool:
        conditions = [c for one in place.namespace.pods("train") for c in one["status"].get("conditions", [])]
        return any("Insufficient nvidia.com/gpu" in condition.get("message", "") for condition in conditions)

    place.namespace.wait("a pod that waits for more GPUs than there are", unschedulable)


def test_what_trains_is_scraped(place: Place) -> None:
    place.namespace.apply(place.objects("train.yaml"))
    name = place.training_pod()
    served = f"/api/v1/namespaces/{place.namespace.name}/pods/{name}:{PORT}/proxy"
    families = text_string_to_metric_families(kubectl("get", "--raw", f"{served}/metrics"))
    found = {sample.name: sample for family in families for sample in family.samples}
    assert found["trainer_step"].labels == {"run": "train"}
    assert found["trainer_step"].value >= found["trainer_checkpoint_step"].value > 0
    assert found["trainer_restarts"].value == 0
    assert re.match(r"step \d+ of \d+, last sign of progress ", kubectl("get", "--raw", f"{served}/healthz"))


@pytest.mark.minutes
@pytest.mark.parametrize("disturbances", [("evict", "evict", "evict"), ("delete", "kill")], ids="-".join)
def test_disturbed_it_ends_with_the_same_bits(place: Place, undisturbed: Object, disturbances: tuple[str, ...]) -> None:
    namespace = place.namespace
    namespace.apply(place.objects("train.yaml"))
    moments = random.Random(len(disturbances))
    for number, disturbance in enumerate(disturbances):
        name = place.training_pod()
        place.add_reviews(number)  # which are for the next run, whatever pods of this one are still to start
        time.sleep(moments.uniform(0, 0.3))
        if disturbance == "evict":
            namespace.evict(name)
        elif disturbance == "delete":
            namespace.kubectl("delete", "pod", name, "--wait=false")
        else:
            namespace.python(name, KILL, check=False)
    job = namespace.ended("train")
    assert outcome(RUN) == undisturbed["outcome"]
    # Only what nobody announced counts against backoffLimit.
    assert job["status"].get("failed", 0) == disturbances.count("kill")
    codes = [code for code, *_ in namespace.termination("train")]
    assert codes.count(137) == disturbances.count("kill")


def test_killed_for_its_memory_it_goes_on(place: Place, undisturbed: Object) -> None:
    *settings, job = place.objects("train.yaml")
    pod(job)["containers"][0]["resources"]["limits"]["memory"] = "1200Mi"  # less than the trainer and 1 GiB
    place.namespace.apply([*settings, job])
    place.namespace.python(place.training_pod(), FILL_MEMORY, check=False)
    job = place.namespace.ended("train")
    assert job["status"]["failed"] == 1
    assert (137, "OOMKilled") in [ended[:2] for ended in place.namespace.termination("train")]
    assert outcome(RUN) == undisturbed["outcome"]


def test_a_store_that_is_away_for_a_minute_costs_nothing(place: Place, undisturbed: Object) -> None:
    namespace = place.namespace
    namespace.apply(place.objects("train.yaml"))
    place.training_pod()
    namespace.apply([store.service({"app": "away"})])
    time.sleep(60)
    namespace.apply([store.service(store.LABELS)])
    job = namespace.ended("train")
    assert job["status"].get("failed", 0) == 0
    assert len(namespace.pods("train")) == 1
    assert outcome(RUN) == undisturbed["outcome"]
