"""k8s/train.yaml: the run ends with the same bits after evictions, kills and store outages."""

import json
import random
import re
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.cluster import store
from tests.cluster.conftest import Sandbox
from tests.cluster.manifests import TRAIN, Object, pod
from tests.cluster.namespace import kubectl
from tests.support.runs import outcome

RUN = "gs://reviews/runs/train"
PORT = 9400
# Kills the trainer. The pod's containers share their processes, so its PID is not 1.
KILL = r"""
import os, pathlib, signal
processes = pathlib.Path("/proc").glob("[0-9]*/cmdline")
[pid] = [path.parent.name for path in processes if b"-m\0jobs.train\0" in path.read_bytes()]
os.kill(int(pid), signal.SIGKILL)
"""
# Shared memory belongs to no process, so the kernel kills the largest process: the trainer.
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


def test_a_gpu_is_asked_for_and_counted(sandbox: Sandbox) -> None:
    nodes = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
    gpus = sum(int(node["status"]["allocatable"].get("nvidia.com/gpu", 0)) for node in nodes)
    if not gpus:
        pytest.skip("no node of this cluster counts nvidia.com/gpu")
    *settings, job = sandbox.objects("train.yaml")
    pod(job)["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] = gpus + 1
    sandbox.namespace.apply([*settings, job])

    def unschedulable() -> bool:
        pods = sandbox.namespace.pods("train")
        conditions = [condition for pod in pods for condition in pod["status"].get("conditions", [])]
        return any("Insufficient nvidia.com/gpu" in condition.get("message", "") for condition in conditions)

    sandbox.namespace.wait("a pod that cannot be scheduled", unschedulable)


def test_what_trains_is_scraped(sandbox: Sandbox) -> None:
    sandbox.namespace.apply(sandbox.objects("train.yaml"))
    name = sandbox.training_pod()
    proxy = f"/api/v1/namespaces/{sandbox.namespace.name}/pods/{name}:{PORT}/proxy"
    families = text_string_to_metric_families(kubectl("get", "--raw", f"{proxy}/metrics"))
    exported = {sample.name: sample for family in families for sample in family.samples}
    assert exported["trainer_step"].labels == {"run": "train"}
    assert exported["trainer_step"].value >= exported["trainer_checkpoint_step"].value > 0
    assert exported["trainer_restarts"].value == 0
    assert re.match(r"step \d+ of \d+, last sign of progress ", kubectl("get", "--raw", f"{proxy}/healthz"))


@pytest.mark.minutes
@pytest.mark.parametrize("disturbances", [("evict", "evict", "evict"), ("delete", "kill")], ids="-".join)
def test_disturbed_it_ends_with_the_same_bits(
    sandbox: Sandbox, undisturbed: Object, disturbances: tuple[str, ...]
) -> None:
    namespace = sandbox.namespace
    namespace.apply(sandbox.objects("train.yaml"))
    moments = random.Random(len(disturbances))
    for number, disturbance in enumerate(disturbances):
        name = sandbox.training_pod()
        sandbox.add_reviews(number)  # a run that has begun must not read new reviews
        time.sleep(moments.uniform(0, 0.3))
        if disturbance == "evict":
            namespace.evict(name)
        elif disturbance == "delete":
            namespace.kubectl("delete", "pod", name, "--wait=false")
        else:
            namespace.python(name, KILL, check=False)
    job = namespace.wait_for_job("train")
    assert outcome(RUN) == undisturbed["outcome"]
    # Evictions and deletions do not count against backoffLimit, kills do.
    assert job["status"].get("failed", 0) == disturbances.count("kill")
    codes = [code for code, *_ in namespace.terminations("train")]
    assert codes.count(137) == disturbances.count("kill")


def test_killed_for_its_memory_it_goes_on(sandbox: Sandbox, undisturbed: Object) -> None:
    *settings, job = sandbox.objects("train.yaml")
    pod(job)["containers"][0]["resources"]["limits"]["memory"] = "1200Mi"  # less than the trainer's memory and 1 GiB
    sandbox.namespace.apply([*settings, job])
    sandbox.namespace.python(sandbox.training_pod(), FILL_MEMORY, check=False)
    job = sandbox.namespace.wait_for_job("train")
    assert job["status"]["failed"] == 1
    assert (137, "OOMKilled") in [ended[:2] for ended in sandbox.namespace.terminations("train")]
    assert outcome(RUN) == undisturbed["outcome"]


def test_a_store_that_is_away_for_a_minute_costs_nothing(sandbox: Sandbox, undisturbed: Object) -> None:
    namespace = sandbox.namespace
    namespace.apply(sandbox.objects("train.yaml"))
    sandbox.training_pod()
    namespace.apply([store.service({"app": "away"})])
    time.sleep(60)
    namespace.apply([store.service(store.LABELS)])
    job = namespace.wait_for_job("train")
    assert job["status"].get("failed", 0) == 0
    assert len(namespace.pods("train")) == 1
    assert outcome(RUN) == undisturbed["outcome"]
