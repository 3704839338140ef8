"""The manifests without a cluster: their schema, their arguments and keys, and what they say twice."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from jobs.cli.config import load_config
from jobs.promote import PromoteConfig
from jobs.retrain import RetrainConfig
from preprocessing.pipeline.recipe import PreprocessConfig
from tests.cluster.manifests import K8S, Object, containers, job, pod, read
from trainer.config import StagingConfig, TrainConfig

ROOT = K8S.parent
KUBERNETES = "1.31"  # the oldest that the README promises
MANIFESTS = ("preprocess.yaml", "retrain.yaml", "train-multi-node.yaml", "train.yaml")
JOBS = [(name, one) for name in MANIFESTS for one in job(name) if one["kind"] in ("Job", "CronJob")]
SCHEMAS: dict[str, Any] = {
    "preprocess": PreprocessConfig,
    "train": TrainConfig,
    "retrain": RetrainConfig,
    "promote": PromoteConfig,
}
VARIABLE = re.compile(r"\$\((\w+)\)")


@pytest.mark.parametrize("name", MANIFESTS)
def test_each_object_is_of_its_schema(name: str) -> None:
    for one in read(name):
        kubernetes_validate.validate(one, KUBERNETES, strict=True)


def commands() -> Iterator[tuple[str, Object]]:
    for name, one in JOBS:
        for container in containers(one):
            yield name, container


@pytest.mark.parametrize("container", [container for _, container in commands()], ids=lambda one: str(one["name"]))
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
    [settings] = [one for one in yaml.safe_load_all(path.read_text()) if one["metadata"]["name"] == "settings"]
    for name, text in settings["data"].items():
        (tmp_path / name).write_text(text)
        job = SCHEMAS[name.removesuffix(".yaml")]
        load_config(job, file=tmp_path / name, sets=required[name])


def test_the_jobs_differ_only_in_what_they_run() -> None:
    """What stands in several manifests is the same in all: kubectl applies each alone, so none can refer to another."""
    shapes = [_shape(one) for _, one in JOBS]
    assert all(shape["volumes"].items() <= shapes[-1]["volumes"].items() for shape in shapes)
    for shape in shapes:
        del shape["volumes"]
    assert {name: shape for (name, _), shape in zip(JOBS, shapes, strict=True)} == dict.fromkeys(MANIFESTS, shapes[-1])


def test_the_trainers_differ_only_in_their_arguments() -> None:
    trainers = {name: _trainer(pod(one)["containers"][0]) for name, one in JOBS if name != "preprocess.yaml"}
    assert trainers == dict.fromkeys(trainers, trainers["train.yaml"])


def test_the_preprocessing_is_the_same_wherever_it_stands() -> None:
    found = [_preprocessing(container) for _, container in commands() if container["name"] == "preprocess"]
    assert len(found) == 3
    assert found == [found[0]] * 3


def _shape(one: Object) -> Object:
    """What is in a Job beside its containers; the count of retries, which is another for several nodes, apart."""
    spec = copy.deepcopy(one["spec"]["jobTemplate"]["spec"] if one["kind"] == "CronJob" else one["spec"])
    for key in ("completionMode", "completions", "parallelism", "backoffLimit"):
        spec.pop(key, None)
    inside = spec["template"]["spec"]
    for key in ("subdomain", "initContainers", "containers", "tolerations"):
        inside.pop(key, None)
    return {"spec": spec, "volumes": {volume["name"]: volume for volume in inside.pop("volumes")}}


def _trainer(container: Object) -> Object:
    own = {"name", "args", "ports"}
    found = {key: value for key, value in container.items() if key not in own}
    found["env"] = [one for one in container["env"] if one["name"] == "RUN"]
    return found


def _preprocessing(container: Object) -> Object:
    found = copy.deepcopy(container)
    found["args"] = [argument for argument in found["args"] if argument != "--set=replace=false"]
    found["volumeMounts"] = [mount for mount in found["volumeMounts"] if mount["name"] != "shared-memory"]
    return found


def test_the_number_of_workers_is_one() -> None:
    service, workers = job("train-multi-node.yaml")
    spec, name = workers["spec"], workers["metadata"]["name"]
    environment = {one["name"]: one.get("value") for one in pod(workers)["containers"][0]["env"]}
    assert environment["WORKERS"] == str(spec["completions"]) == str(spec["parallelism"])
    ports = [one["containerPort"] for one in pod(workers)["containers"][0]["ports"] if "name" not in one]
    assert [environment["PEERS"]] == [f"{name}-{{index}}.{pod(workers)['subdomain']}:{port}" for port in ports]
    assert service["metadata"]["name"] == pod(workers)["subdomain"]
    assert service["spec"]["selector"] == {"batch.kubernetes.io/job-name": name}


def test_a_trainer_serves_its_metrics_at_the_port_that_its_pod_names() -> None:
    [settings] = [one for one in read("train.yaml") if one["metadata"]["name"] == "settings"]
    served = yaml.safe_load(settings["data"]["train.yaml"])["metrics_port"]
    named = [port for _, one in JOBS for port in pod(one)["containers"][0].get("ports", []) if "name" in port]
    assert named == 3 * [{"name": "metrics", "containerPort": served}]


def test_a_job_has_more_time_to_end_than_its_trainer_takes() -> None:
    [settings] = [one for one in read("train.yaml") if one["metadata"]["name"] == "settings"]
    grace = yaml.safe_load(settings["data"]["train.yaml"])["grace_seconds"]
    assert all(grace < pod(one)["terminationGracePeriodSeconds"] for _, one in JOBS)
    for name in ("train.yaml", "retrain.yaml"):
        [patch] = yaml.safe_load_all((K8S / "overlays/spot" / name).read_text())
        assert grace < pod(patch)["terminationGracePeriodSeconds"] < 15


def test_what_is_staged_fits_the_scratch_volume() -> None:
    staged = StagingConfig().max_bytes
    for _, one in JOBS:
        [scratch] = [volume for volume in pod(one)["volumes"] if volume["name"] == "scratch"]
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
    for other in ("requirements-gpu.lock", "tests/requirements.lock"):
        shared = pins(ROOT / other)
        assert {name: version for name, version in shared.items() if name in runs} == {
            name: version for name, version in runs.items() if name in shared
        }
