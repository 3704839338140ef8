"""The preprocess command on other Beam runners: same bytes, from workers that have only the files of the job.

Prism and Beam's worker pool run as separate programs. Dataflow and Flink cannot run in a test, so local HTTP servers
simulate their APIs. A server receives the job from Beam's own client, and runs the job on workers. The workers' only
copy of this project is the setup package from the job.
"""

import io
import json
import lzma
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_runner_api_pb2, endpoints_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from google.protobuf import json_format  # type: ignore[import-untyped]

from jobs import train
from preprocessing.dataset import manifest
from preprocessing.storage.bucket import Bucket
from preprocessing.storage.urls import open_bucket
from tests.conftest import SHARED
from tests.jobs.test_preprocess import MIXED, arguments, files, read, write
from tests.support.inputs import json_line, kaggle_zip
from tests.support.local_service import service
from tests.support.ports import free_port
from tests.support.runs import arguments as training

ROOT = Path(__file__).parents[2]
PRISM = SHARED / "beam" / "prism.xz"
IMAGE = "europe-west4-docker.pkg.dev/project/images/review-trainer:1"
LINES = [json_line(f"Table {n % 90} — waited {n % 90} minutes!", review_id=f"t{n:03}") for n in range(150)]
INPUTS = {
    "a.jsonl": b"".join([*LINES[:70], b"not JSON\n", *MIXED[:35]]),
    "b.json": b"".join([b'{"text": 5}\n', *LINES[50:], *MIXED[40:]]),
    "c.zip": kaggle_zip(b"".join([*MIXED[20:], *LINES[120:]])),
}
SETTINGS = {"vocabulary": "auto", "shards": 3}


@contextmanager
def program(*command: str | Path, port: int, folder: Path) -> Iterator[None]:
    """Run a program that listens on a port. At the end, kill the program and all its child processes."""
    log = folder / f"{port}.log"
    # Beam's worker pool starts its workers with the first `python` in PATH.
    environment = os.environ | {"PATH": f"{Path(command[0]).parent}{os.pathsep}{os.environ['PATH']}"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        patience = time.monotonic() + 60
        while not answers(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < patience, log.read_text()
            time.sleep(0.05)
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the new session of the program holds all its child processes
        process.wait()


def answers(port: int) -> bool:
    try:
        socket.create_connection(("localhost", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def workers(folder: Path, python: str = sys.executable) -> Iterator[str]:
    """Start a worker pool in `folder`, and yield its address. The workers import this project from `folder`."""
    port = free_port()
    pool = (python, "-m", "apache_beam.runners.worker.worker_pool_main", f"--service_port={port}")
    with program(*pool, port=port, folder=folder):
        yield f"localhost:{port}"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the packaged files to a new folder, because a build of the package writes into its own folder."""
    folder = tmp_path_factory.mktemp("project")
    for package in ("jobs", "preprocessing", "trainer"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def package(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the setup package into a folder. A worker has no other files of this project."""
    made = tmp_path_factory.mktemp("made")
    subprocess.run(
        [sys.executable, "setup.py", "sdist", f"--dist-dir={made}"], cwd=project, capture_output=True, check=True
    )
    return unpacked(next(made.iterdir()).read_bytes(), tmp_path_factory.mktemp("package"))


def unpacked(archive: bytes, folder: Path) -> Path:
    """Unpack a setup package, and return the only folder in the package."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    (one,) = folder.iterdir()
    return one


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write two JSON lines files and Kaggle's zip, with bad lines and with duplicates within and between files."""
    folder = tmp_path_factory.mktemp("source")
    for name, data in INPUTS.items():
        write(folder / name, data)
    return f"{folder}/*"


@pytest.fixture(scope="module")
def expected(project: Path, source: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the SHA-256 of each file that FnApiRunner writes in its default mode."""
    output = tmp_path_factory.mktemp("expected") / "dataset"
    preprocess(project, source, output)
    return checked(output)


def preprocess(folder: Path, source: str, output: Path | str, *options: str, **environment: str) -> None:
    """Run jobs.preprocess as a user does, in a folder that holds the project."""
    done = subprocess.run(
        [sys.executable, "-m", "jobs.preprocess", *arguments(source, output, **SETTINGS), *options],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr


def checked(output: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a dataset.

    Checks that the files are the manifest, the shards in the manifest, and the rejected lines.
    """
    found = files(output)
    dataset = read(output)
    counts = dataset.counts
    assert counts["duplicate"] > 100
    assert len(counts["rejected"]) > 5
    names = {manifest.NAME, *(shard.name for shard in dataset.shards)}
    assert {shard.split for shard in dataset.shards} == set(manifest.SPLITS)
    rejected = {name for name in found if name.startswith("rejected/") and name.endswith(".jsonl")}
    assert rejected
    assert set(found) == names | rejected
    assert sum((output / name).read_bytes().count(b"\n") for name in rejected) == counts["read"] - counts["kept"]
    return found


@pytest.mark.parametrize("mode", ["multi_threading", "multi_processing"])
def test_workers_beside_one_another_write_the_same_bytes(
    mode: str, project: Path, source: str, expected: dict[str, str], tmp_path: Path
) -> None:
    options = [f"--direct_running_mode={mode}", "--direct_num_workers=2"]
    preprocess(project, source, tmp_path / "dataset", *options)
    assert checked(tmp_path / "dataset") == expected


@pytest.fixture(scope="module")
def prism(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start Prism, and yield the address of its job service."""
    if not PRISM.is_file():
        pytest.skip("needs Beam's Prism runner in ../shared/beam/prism.xz, which is not part of the project")
    folder = tmp_path_factory.mktemp("prism")
    binary = write(folder / "prism", lzma.decompress(PRISM.read_bytes()))
    binary.chmod(0o755)
    port = free_port()
    with program(binary, f"-job_port={port}", "-serve_http=false", port=port, folder=folder):
        yield f"localhost:{port}"


def test_prism_with_the_command_as_the_worker_writes_the_same_bytes(
    prism: str, project: Path, source: str, expected: dict[str, str], tmp_path: Path
) -> None:
    options = ["--runner=PortableRunner", f"--job_endpoint={prism}", "--environment_type=LOOPBACK"]
    preprocess(project, source, tmp_path / "dataset", *options)
    assert checked(tmp_path / "dataset") == expected


# With a job endpoint, FlinkRunner differs from PortableRunner only in its options.
@pytest.mark.parametrize("runner", ["PortableRunner", "FlinkRunner"])
def test_prism_with_workers_that_have_only_the_setup_package_writes_the_same_bytes(
    runner: str, prism: str, package: Path, project: Path, source: str, expected: dict[str, str], tmp_path: Path
) -> None:
    with workers(package) as address:
        external = ["--environment_type=EXTERNAL", f"--environment_config={address}"]
        preprocess(project, source, tmp_path / "dataset", f"--runner={runner}", f"--job_endpoint={prism}", *external)
    assert checked(tmp_path / "dataset") == expected


@pytest.fixture(scope="module")
def bare_python(package: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the Python of a new environment with Beam and the setup package alone, as Dataflow's workers have."""
    folder = tmp_path_factory.mktemp("bare")
    pins = re.findall(r"^[\w.-]+==[^\\\n]+", (ROOT / "requirements.lock").read_text(), re.M)
    constraints = write(folder / "constraints.txt", "\n".join(pins).encode())
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv/bin/python"
    packages: list[str | Path] = ["apache-beam[gcp]", shutil.copytree(package, folder / "package")]
    install = [python, "-m", "pip", "install", "--quiet", "--constraint", constraints, *packages]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode and "connection" in done.stderr.lower():
        pytest.skip("needs a package index to install Beam from")
    assert done.returncode == 0, done.stderr
    return str(python)


@pytest.mark.slow
def test_workers_with_beam_and_the_setup_package_alone_write_the_same_bytes(
    bare_python: str, prism: str, project: Path, source: str, expected: dict[str, str], tmp_path: Path
) -> None:
    with workers(tmp_path, bare_python) as address:
        external = ["--environment_type=EXTERNAL", f"--environment_config={address}"]
        options = ["--runner=PortableRunner", f"--job_endpoint={prism}", *external]
        preprocess(project, source, tmp_path / "dataset", *options)
    assert checked(tmp_path / "dataset") == expected


def test_a_relative_path_is_one_from_where_the_command_is_started(
    prism: str, package: Path, project: Path, source: str, expected: dict[str, str], tmp_path: Path
) -> None:
    with workers(package) as address:
        external = ["--environment_type=EXTERNAL", f"--environment_config={address}"]
        relative = [os.path.relpath(path, project) for path in (source, tmp_path / "dataset")]
        preprocess(project, *relative, "--runner=PortableRunner", f"--job_endpoint={prism}", *external)
    assert checked(tmp_path / "dataset") == expected


@pytest.mark.slow
def test_reviews_are_scored_by_workers_that_have_only_the_setup_package(
    prism: str, package: Path, project: Path, dataset: Path, tmp_path: Path
) -> None:
    train.main(training(dataset, tmp_path, max_chars=2 * 64 * 16))
    write(tmp_path / "in.jsonl", b"".join([*LINES, b"not JSON\n"]))

    def scores(*options: str) -> list[str]:
        given = ["small", "in.jsonl", "--per-char", *options]
        environment = os.environ | {"PYTHONPATH": str(project), "TF_CPP_MIN_LOG_LEVEL": "2"}
        command = [sys.executable, "-m", "jobs.score", *given]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    with workers(package) as address:
        external = ["--environment_type=EXTERNAL", f"--environment_config={address}"]
        scores("--output", "out", "--runner=PortableRunner", f"--job_endpoint={prism}", *external)
    found = [line for path in (tmp_path / "out").glob("scores-*") for line in path.read_text().splitlines()]
    assert len(found) == len(LINES) + 1
    assert sorted(found) == sorted(scores())


def execute(pipeline: Any, package: Path) -> None:
    """Run a pipeline for containers on workers that have only the setup package."""
    with workers(package) as address:
        payload = beam_runner_api_pb2.ExternalPayload(endpoint=endpoints_pb2.ApiServiceDescriptor(url=address))
        for environment in pipeline.components.environments.values():
            environment.urn = common_urns.environments.EXTERNAL.urn
            environment.payload = payload.SerializeToString()
            del environment.dependencies[:]  # the workers have them already
        FnApiRunner().run_via_runner_api(pipeline, PipelineOptions([])).wait_until_finish()


def containers(pipeline: Any) -> set[tuple[str, str]]:
    """Return the (kind, image) pair of each environment that the steps of a pipeline run in."""
    used = {step.environment_id for step in pipeline.components.transforms.values() if step.environment_id}
    environments = [pipeline.components.environments[name] for name in used]
    parse = beam_runner_api_pb2.DockerPayload.FromString
    return {(environment.urn, parse(environment.payload).container_image) for environment in environments}


def steps(pipeline: Any) -> set[str]:
    """Return the names of the outermost steps of a pipeline."""
    return {step.unique_name for step in pipeline.components.transforms.values() if "/" not in step.unique_name}


@pytest.fixture
def cloud(store: str) -> Bucket:
    return open_bucket(store)


@dataclass(frozen=True)
class Job:
    """A job as Dataflow receives it: the description, the pipeline in the description, and the staged files."""

    description: Mapping[str, Any]
    pipeline: Any
    staged: Mapping[str, bytes]


def on_dataflow(cloud: Bucket, project: Path, package: Path, source: str, *options: str) -> Job:
    """Run jobs.preprocess from gs:// to gs:// on a simulated Dataflow API, and return the received job."""
    jobs: list[Job] = []
    for path in sorted(Path(source).parent.iterdir()):
        cloud.upload(path, f"in/{path.name}")

    def answer(method: str, path: str, body: bytes) -> Any:
        if (method, path) == ("POST", "/v1b3/projects/project/locations/europe-west4/jobs"):
            job = received(json.loads(body), cloud)
            jobs.append(job)
            execute(beam_runner_api_pb2.Pipeline.FromString(job.pipeline.SerializeToString()), package)
            return {"id": "the-job", "clientRequestId": job.description["clientRequestId"]}
        return {
            "GET /v1b3/projects/project/locations/europe-west4/jobs/the-job": {
                "id": "the-job",
                "currentState": "JOB_STATE_DONE",
            },
            "GET /v1b3/projects/project/locations/europe-west4/jobs/the-job/messages": {},
        }[f"{method} {path}"]

    with service(answer) as port:
        preprocess(
            project,
            "gs://reviews/in/*",
            "gs://reviews/dataset",
            "--runner=DataflowRunner",
            "--project=project",
            "--region=europe-west4",
            "--temp_location=gs://reviews/temp",
            "--staging_location=gs://reviews/staging",
            f"--dataflow_endpoint=http://localhost:{port}",
            *options,
        )
    (job,) = jobs
    return job


def received(description: Mapping[str, Any], cloud: Bucket) -> Job:
    url = description["environment"]["sdkPipelineOptions"]["options"]["pipelineUrl"]
    folder = url.removeprefix(f"{cloud.url}/").rpartition("/")[0]
    staged = {name.removeprefix(f"{folder}/"): cloud.read(name) for name in cloud.names(folder)}
    return Job(description, beam_runner_api_pb2.Pipeline.FromString(staged["pipeline.pb"]), staged)


def downloaded(cloud: Bucket, prefix: str, folder: Path) -> Path:
    for name in cloud.names(prefix):
        write(folder / name, cloud.read(name))
    return folder / prefix


def test_dataflow_gets_the_setup_package_and_its_workers_write_the_same_bytes(
    cloud: Bucket, project: Path, package: Path, source: str, expected: dict[str, str], tmp_path: Path
) -> None:
    job = on_dataflow(cloud, project, package, source, "--setup_file=./setup.py")
    assert checked(downloaded(cloud, "dataset", tmp_path)) == expected

    environment = job.description["environment"]
    assert job.description["type"] == 1  # batch
    assert environment["tempStoragePrefix"].startswith("storage.googleapis.com/reviews/temp/")
    (pool,) = environment["workerPools"]
    assert {"workflow.tar.gz"} <= {each["name"] for each in pool["packages"]} <= job.staged.keys()
    staged = unpacked(job.staged["workflow.tar.gz"], tmp_path / "staged")
    for folder, suffix in (("preprocessing", "py"), ("jobs", "py"), ("jobs", "yaml")):
        sources = {path.name: path.read_bytes() for path in (ROOT / folder).glob(f"*.{suffix}")}
        assert sources
        assert {path.name: path.read_bytes() for path in (staged / folder).glob(f"*.{suffix}")} == sources

    ((kind, image),) = containers(job.pipeline)
    assert kind == common_urns.environments.DOCKER.urn
    assert "beam_python" in image  # Beam's own image, where the worker then installs the setup package
    assert [each["containerImage"] for each in pool["sdkHarnessContainerImages"]] == [image]
    assert len(steps(job.pipeline)) > 5


def test_dataflow_takes_the_projects_image_instead(
    cloud: Bucket, project: Path, package: Path, source: str, expected: dict[str, str], tmp_path: Path
) -> None:
    job = on_dataflow(cloud, project, package, source, f"--sdk_container_image={IMAGE}")
    assert checked(downloaded(cloud, "dataset", tmp_path)) == expected
    assert containers(job.pipeline) == {(common_urns.environments.DOCKER.urn, IMAGE)}
    (pool,) = job.description["environment"]["workerPools"]
    assert [each["containerImage"] for each in pool["sdkHarnessContainerImages"]] == [IMAGE]
    assert "workflow.tar.gz" not in job.staged


def test_flink_gets_the_image_and_its_workers_write_the_same_bytes(
    project: Path, package: Path, source: str, expected: dict[str, str], tmp_path: Path
) -> None:
    # With --flink_submit_uber_jar, Beam adds the pipeline to the job server's jar and uploads the jar.
    # Here the job server's jar is empty.
    write(tmp_path / "server.jar", b"PK\x05\x06" + bytes(18))
    pipelines: list[Any] = []

    def answer(method: str, path: str, body: bytes) -> Any:
        if (method, path) == ("POST", "/v1/jars/upload"):
            jar = body[body.index(b"PK\x03\x04") : body.rindex(b"\r\n--")]
            with zipfile.ZipFile(io.BytesIO(jar)) as members:
                text = members.read("BEAM-PIPELINE/pipeline/pipeline.json")
            pipelines.append(json_format.Parse(text, beam_runner_api_pb2.Pipeline()))
        if (method, path) == ("POST", "/v1/jars/the.jar/run"):
            execute(beam_runner_api_pb2.Pipeline.FromString(pipelines[-1].SerializeToString()), package)
        return {
            "POST /v1/jars/upload": {"filename": "/flink/the.jar"},
            "POST /v1/jars/the.jar/run": {"jobid": "the-job"},
            "DELETE /v1/jars/the.jar": {},
            "GET /v1/jobs/the-job/execution-result": {"status": {"id": "COMPLETED"}},
            "GET /v1/jobs/the-job": {"state": "FINISHED"},
            "GET /v1/jobs/the-job/exceptions": {"all-exceptions": []},
            "GET /v1/jobs/the-job/accumulators": {
                "user-task-accumulators": [{"name": "__metricscontainers", "value": "{}"}]
            },
        }[f"{method} {path}"]

    with service(answer) as port:
        preprocess(
            project,
            source,
            tmp_path / "dataset",
            "--runner=FlinkRunner",
            f"--flink_master=localhost:{port}",
            "--flink_submit_uber_jar",
            f"--flink_job_server_jar={tmp_path}/server.jar",
            "--parallelism=2",
            "--environment_type=DOCKER",
            f"--environment_config={IMAGE}",
        )
    (pipeline,) = pipelines
    assert containers(pipeline) == {(common_urns.environments.DOCKER.urn, IMAGE)}
    assert checked(tmp_path / "dataset") == expected
