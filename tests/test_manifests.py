"""The manifests of k8s/ without a cluster: schema, arguments, keys, and equal parts."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from jobs.check import CheckConfig
from jobs.cli.config import load_config
from jobs.promote import PromoteConfig
from jobs.retrain import RetrainConfig
from preprocessing.pipeline.recipe import PreprocessConfig
from tests.cluster.manifests import K8S, Object, containers, job, pod, read
from trainer.config import StagingConfig, TrainConfig

ROOT = K8S.parent
KUBERNETES = "1.31"  # the oldest version in the README
MANIFESTS = ("check.yaml", "preprocess.yaml", "retrain.yaml", "train-multi-node.yaml", "train.yaml")
JOBS = [(name, item) for name in MANIFESTS for item in job(name) if item["kind"] in ("Job", "CronJob")]
SCHEMAS: dict[str, Any] = {
    "check": CheckConfig,
    "preprocess": PreprocessConfig,
    "train": TrainConfig,
    "retrain": RetrainConfig,
    "promote": PromoteConfig,
}
VARIABLE = re.compile(r"\$\((\w+)\)")


@pytest.mark.parametrize("name", MANIFESTS)
def test_each_object_is_of_its_schema(name: str) -> None:
    for item in read(name):
        kubernetes_validate.validate(item, KUBERNETES, strict=True)


def commands() -> Iterator[tuple[str, Object]]:
    """Yield (manifest name, container) of each container."""
    for name, item in JOBS:
        for container in containers(item):
            yield name, container


@pytest.mark.parametrize(
    "container", [container for _, container in commands()], ids=lambda container: str(container["name"])
)
def test_each_argument_is_one_that_the_command_takes(container: Object) -> None:
    command, *arguments = container["args"]
    package, _, stem = command.partition(".")
    assert package == "jobs"
    sets = [argument.removeprefix("--set=") for argument in arguments if argument.startswith("--set=")]
    rest = {argument.partition("=")[0] for argument in arguments if not argument.startswith("--set=")}
    assert rest <= {"--config", "--run"}
    load_config(SCHEMAS[stem], sets=sets)
    known = {"RUN", "BUCKET", "REVIEWS"}
    assert set(VARIABLE.findall(" ".join(arguments))) <= known


@pytest.mark.parametrize(
    "path", [K8S / "train.yaml", *K8S.glob("overlays/*/settings.yaml")], ids=lambda path: str(path.relative_to(K8S))
)
def test_each_key_in_the_settings_is_one(path: Path, tmp_path: Path) -> None:
    required = {"preprocess.yaml": ["input=i", "output=o"], "train.yaml": ["dataset=d", "runs=r"], "promote.yaml": []}
    [settings] = [item for item in yaml.safe_load_all(path.read_text()) if item["metadata"]["name"] == "settings"]
    for name, text in settings["data"].items():
        (tmp_path / name).write_text(text)
        job = SCHEMAS[name.removesuffix(".yaml")]
        load_config(job, file=tmp_path / name, sets=required[name])


def test_the_jobs_differ_only_in_what_they_run() -> None:
    """Check that shared fields are equal in all manifests. kubectl applies a manifest alone, so each has a copy."""
    shapes = [_shape(item) for _, item in JOBS]
    assert all(shape["volumes"].items() <= shapes[-1]["volumes"].items() for shape in shapes)
    for shape in shapes:
        del shape["volumes"]
    assert {name: shape for (name, _), shape in zip(JOBS, shapes, strict=True)} == dict.fromkeys(MANIFESTS, shapes[-1])


def test_the_trainers_differ_only_in_their_arguments() -> None:
    trainers = {name: _trainer(pod(item)["containers"][0]) for name, item in JOBS if name != "preprocess.yaml"}
    check = trainers.pop("check.yaml")
    assert trainers == dict.fromkeys(trainers, trainers["train.yaml"])
    assert check == trainers["train.yaml"] | {"env": []}


def test_the_preprocessing_is_the_same_wherever_it_stands() -> None:
    copies = [_preprocessing(container) for _, container in commands() if container["name"] == "preprocess"]
    assert len(copies) == 3
    assert copies == [copies[0]] * 3


def _shape(item: Object) -> Object:
    """Return a Job's specification without containers, and without the fields that differ for several nodes."""
    spec = copy.deepcopy(item["spec"]["jobTemplate"]["spec"] if item["kind"] == "CronJob" else item["spec"])
    for key in ("completionMode", "completions", "parallelism", "backoffLimit"):
        spec.pop(key, None)
    pod_spec = spec["template"]["spec"]
    for key in ("subdomain", "initContainers", "containers", "tolerations"):
        pod_spec.pop(key, None)
    return {"spec": spec, "volumes": {volume["name"]: volume for volume in pod_spec.pop("volumes")}}


def _trainer(container: Object) -> Object:
    different = {"name", "args", "ports"}
    equal = {key: value for key, value in container.items() if key not in different}
    equal["env"] = [variable for variable in container.get("env", []) if variable["name"] == "RUN"]
    return equal


def _preprocessing(container: Object) -> Object:
    equal = copy.deepcopy(container)
    equal["args"] = [argument for argument in equal["args"] if argument != "--set=replace=false"]
    equal["volumeMounts"] = [mount for mount in equal["volumeMounts"] if mount["name"] != "shared-memory"]
    return equal


def test_the_number_of_workers_is_one() -> None:
    service, workers = job("train-multi-node.yaml")
    spec, name = workers["spec"], workers["metadata"]["name"]
    environment = {variable["name"]: variable.get("value") for variable in pod(workers)["containers"][0]["env"]}
    assert environment["WORKERS"] == str(spec["completions"]) == str(spec["parallelism"])
    ports = [port["containerPort"] for port in pod(workers)["containers"][0]["ports"] if "name" not in port]
    assert [environment["PEERS"]] == [f"{name}-{{index}}.{pod(workers)['subdomain']}:{port}" for port in ports]
    assert service["metadata"]["name"] == pod(workers)["subdomain"]
    assert service["spec"]["selector"] == {"batch.kubernetes.io/job-name": name}


def test_a_trainer_serves_its_metrics_at_the_port_that_its_pod_names() -> None:
    [settings] = [item for item in read("train.yaml") if item["metadata"]["name"] == "settings"]
    served = yaml.safe_load(settings["data"]["train.yaml"])["metrics_port"]
    named = [port for _, item in JOBS for port in pod(item)["containers"][0].get("ports", []) if "name" in port]
    assert named == 3 * [{"name": "metrics", "containerPort": served}]
    page = (ROOT / "docs/monitoring.md").read_text()
    monitors = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.S)]
    endpoints = [item["spec"].get("podMetricsEndpoints") or item["spec"]["endpoints"] for item in monitors]
    assert endpoints == 2 * [[{"port": "metrics", "interval": "30s"}]]


def test_a_job_has_more_time_to_end_than_its_trainer_takes() -> None:
    [settings] = [item for item in read("train.yaml") if item["metadata"]["name"] == "settings"]
    grace = yaml.safe_load(settings["data"]["train.yaml"])["grace_seconds"]
    assert all(grace < pod(item)["terminationGracePeriodSeconds"] for _, item in JOBS)
    for name in ("job.yaml", "cronjob.yaml"):
        [patch] = yaml.safe_load_all((K8S / "overlays/spot" / name).read_text())
        assert grace < pod(patch)["terminationGracePeriodSeconds"] < 15


def test_what_is_staged_fits_the_scratch_volume() -> None:
    staged = StagingConfig().max_bytes
    for _, item in JOBS:
        [scratch] = [volume for volume in pod(item)["volumes"] if volume["name"] == "scratch"]
        assert scratch["emptyDir"]["sizeLimit"] == "8Gi"
        assert staged < 8 * 2**30 - 2 * 1_000_000_000  # two checkpoints of a model ten times the seed's


def test_every_image_has_a_tag_that_stays() -> None:
    images = {container["image"] for _, container in commands()}
    assert images == {"registry.example/review-trainer:1"}
    for path in [*K8S.rglob("*.yaml"), ROOT / "Dockerfile"]:
        assert ":latest" not in path.read_text()
    [image] = yaml.safe_load((K8S / "overlays/local/kustomization.yaml").read_text())["images"]
    assert f"{image['name']}:" in images.pop()


def test_no_lock_has_another_version_of_what_runs() -> None:
    def pins(path: Path) -> dict[str, str]:
        return dict(re.findall(r"^([\w.-]+)==([^ ;]+)", path.read_text(), re.M))

    runs = pins(ROOT / "requirements.lock")
    assert runs["keras"]
    for name in ("requirements-gpu.lock", "tests/requirements.lock"):
        shared = pins(ROOT / name)
        assert {package: version for package, version in shared.items() if package in runs} == {
            package: version for package, version in runs.items() if package in shared
        }


def test_the_settings_in_comments_are_settings_too() -> None:
    text = (K8S / "train.yaml").read_text()
    commented = "\n".join(re.findall(r"^    # (\w+: \S+)$", text, re.M))
    values = yaml.safe_load(commented)
    assert values["batch_windows"] == 1024
    load_config(TrainConfig, sets=["dataset=d", "runs=r", *(f"{key}={value}" for key, value in values.items())])


def test_pods_fit_the_smallest_machines_with_a_gpu() -> None:
    """Check requests against what GKE leaves of 4 cores and 15 or 16 GB for pods.

    Source of the formula: GKE's documentation, "Plan node sizes". Reserved are 25% of the first 4 GiB of memory, 20% of
    the next 4 and 10% of the next 8, with 100 MiB for evictions; and 6% of the first core, 1% of the second and 0.5% of
    the next two. DaemonSets take about half a core and 0.6 GiB.
    """
    cores, gibibytes = 4 - 0.06 - 0.01 - 2 * 0.005, 15.0  # n1-standard-4; g2-standard-4 has 16
    memory = gibibytes - 0.25 * 4 - 0.20 * 4 - 0.10 * (gibibytes - 8) - 100 / 1024
    for name, container in commands():
        requests = container["resources"]["requests"]
        assert float(requests["cpu"]) <= cores - 0.5, name
        assert float(requests["memory"].removesuffix("Gi")) <= memory - 0.6, name
