"""Fixtures: a namespace with a store for each test, and the outcome of an undisturbed run."""

import fcntl
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from preprocessing.pipeline.publish import delete_objects
from preprocessing.storage.urls import open_bucket
from tests.cluster import store
from tests.cluster.manifests import Object, job, settings, shrunk
from tests.cluster.namespace import Namespace
from tests.support.inputs import reviews
from tests.support.runs import outcome, saved_step
from trainer.runs.samples import read_samples


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Schedule tests that take minutes first, so that short tests run beside them."""
    items.sort(key=lambda item: item.get_closest_marker("minutes") is None)


@pytest.fixture(scope="session")
def image(request: pytest.FixtureRequest) -> str:
    """Return the image's name on the cluster's nodes."""
    name: str | None = request.config.getoption("--image")
    if name is None:
        pytest.skip("needs a cluster, and an image on its nodes: make test-cluster IMAGE=...")
    return name


@pytest.fixture
def namespace(image: str) -> Iterator[Namespace]:  # noqa: ARG001 (skips the test without a cluster)
    namespace = Namespace()
    yield namespace
    namespace.delete()


class Sandbox:
    """A namespace with a store. The bucket gs://reviews holds the source, reviews.jsonl."""

    def __init__(self, namespace: Namespace, image: str, reviews: Path) -> None:
        self.namespace, self.image = namespace, image
        self._disturbed: set[str] = set()
        self.bucket = open_bucket("gs://reviews")
        self.bucket.upload(reviews, "reviews.jsonl")

    def objects(self, manifest: str, **train: Any) -> list[Object]:
        """Return the settings and a manifest's other objects, adapted to this sandbox.

        `train` changes keys of jobs.train. `__` in a key stands for a dot.
        """
        return self.shrunk([*settings(), *job(manifest)], **train)

    def shrunk(self, objects: list[Object], **train: Any) -> list[Object]:
        """Return copies of objects that use this sandbox's image and bucket, and few resources."""
        changes = {key.replace("__", "."): value for key, value in train.items()}
        return shrunk(
            objects,
            image=self.image,
            train=changes,
            BUCKET="gs://reviews",
            REVIEWS="reviews.jsonl",
            **store.ENVIRONMENT,
        )

    def add_reviews(self, number: int) -> None:
        """Append twenty new reviews to the source. Each number gives different reviews."""
        lines = reviews(20, first=20 * number)
        self.bucket.write("reviews.jsonl", self.bucket.read("reviews.jsonl") + b"".join(lines))

    def training_pod(self, job: str = "train", index: int = 0) -> str:
        """Wait until a pod of the Job trains, and return its name.

        Each call returns a new pod, for a test to disturb.
        """
        run = f"gs://reviews/runs/{job}"
        pod = self.namespace.wait(
            "a pod that runs", lambda: self.namespace.running_pod(job, index, exclude=self._disturbed)
        )
        before = saved_step(run)
        self.namespace.wait(f"more than step {before}", lambda: saved_step(run) > before)
        self._disturbed.add(pod)
        return pod


@pytest.fixture
def sandbox(namespace: Namespace, image: str, reviews_file: Path) -> Iterator[Sandbox]:
    namespace.apply(store.objects(image))
    namespace.kubectl("wait", "--for=condition=Ready", "pod/store", "--timeout=60s")
    with store.forwarded(namespace) as url, pytest.MonkeyPatch.context() as environment:
        environment.setenv("STORAGE_EMULATOR_HOST", url)
        yield Sandbox(namespace, image, reviews_file)


def once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[], Any]) -> Any:
    """Return the result of `make`, as JSON. The first test process calls `make`, and all others read its result."""
    file = tmp_path_factory.getbasetemp().parent / f"{name}.json"
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            file.write_text(json.dumps(make()))
    return json.loads(file.read_text())


@pytest.fixture
def undisturbed(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Object:
    """Run k8s/train.yaml without disturbance, once for all tests.

    Returns the Job, the names of all objects, the diversities of the last samples, and the outcome.
    """

    def run_to_end() -> Object:
        sandbox.namespace.apply(sandbox.objects("train.yaml"))
        ended = sandbox.namespace.wait_for_job("train")
        run = open_bucket("gs://reviews/runs/train")
        result = {
            "job": ended,
            "names": sandbox.bucket.names(),
            "diversities": [sample.diversity for sample in read_samples(run)[-1].samples],
            "outcome": outcome(run.url),
        }
        # A test that starts a run of this name must find neither the Job nor its folders.
        sandbox.namespace.kubectl("delete", "job", "train")
        delete_objects(sandbox.bucket, [*sandbox.bucket.names("runs/"), *sandbox.bucket.names("dataset/")])
        return result

    result: Object = once(tmp_path_factory, "undisturbed", run_to_end)
    return result
