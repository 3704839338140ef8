"""A namespace with a store in it for each test, and what an undisturbed run ends with."""

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
from trainer.runs import samples


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes minutes begins first, for the rest to fit in beside it."""
    items.sort(key=lambda item: item.get_closest_marker("minutes") is None)


@pytest.fixture(scope="session")
def image(request: pytest.FixtureRequest) -> str:
    """The name under which the cluster's nodes know the image."""
    name: str | None = request.config.getoption("--image")
    if name is None:
        pytest.skip("needs a cluster and an image there: make test-cluster IMAGE=...")
    return name


@pytest.fixture
def namespace(image: str) -> Iterator[Namespace]:  # noqa: ARG001 (a namespace in no cluster would be an error)
    made = Namespace()
    yield made
    made.delete()


class Place:
    """A namespace with a store: the bucket gs://reviews, in which reviews.jsonl is the source."""

    def __init__(self, namespace: Namespace, image: str, reviews: Path) -> None:
        self.namespace, self.image = namespace, image
        self._disturbed: set[str] = set()
        self.bucket = open_bucket("gs://reviews")
        self.bucket.upload(reviews, "reviews.jsonl")

    def objects(self, manifest: str, **train: Any) -> list[Object]:
        """The settings, and what the manifest has beside them; `__` in the name of a setting stands for a dot."""
        return self.shrunk([*settings(), *job(manifest)], **train)

    def shrunk(self, objects: list[Object], **train: Any) -> list[Object]:
        """Objects of manifests as this place can run them."""
        changed = {key.replace("__", "."): value for key, value in train.items()}
        return shrunk(
            objects,
            image=self.image,
            train=changed,
            BUCKET="gs://reviews",
            REVIEWS="reviews.jsonl",
            **store.ENVIRONMENT,
        )

    def add_reviews(self, number: int) -> None:
        """Twenty new ones to the source, others for each number."""
        lines = reviews(20, first=20 * number)
        self.bucket.write("reviews.jsonl", self.bucket.read("reviews.jsonl") + b"".join(lines))

    def training_pod(self, job: str = "train", index: int = 0) -> str:
        """The name of the Job's pod that trains, to disturb it: another one each time."""
        run = f"gs://reviews/runs/{job}"
        pod = self.namespace.wait("a pod that runs", lambda: self.namespace.running(job, index, but=self._disturbed))
        before = saved_step(run)
        self.namespace.wait(f"more than step {before}", lambda: saved_step(run) > before)
        self._disturbed.add(pod)
        return pod


@pytest.fixture
def place(namespace: Namespace, image: str, reviews_file: Path) -> Iterator[Place]:
    namespace.apply(store.objects(image))
    namespace.kubectl("wait", "--for=condition=Ready", "pod/store", "--timeout=60s")
    with store.forwarded(namespace) as url, pytest.MonkeyPatch.context() as environment:
        environment.setenv("STORAGE_EMULATOR_HOST", url)
        yield Place(namespace, image, reviews_file)


def once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[], Any]) -> Any:
    """What `make` gives, made by the first of the processes that run the tests, kept as JSON for all."""
    file = tmp_path_factory.getbasetemp().parent / f"{name}.json"
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            file.write_text(json.dumps(make()))
    return json.loads(file.read_text())


@pytest.fixture
def undisturbed(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Object:
    """A run of k8s/train.yaml that nothing befell: its Job, all objects' names, its last samples' diversities,
    and its outcome."""

    def made() -> Object:
        place.namespace.apply(place.objects("train.yaml"))
        ended = place.namespace.ended("train")
        run = open_bucket("gs://reviews/runs/train")
        found = {
            "job": ended,
            "names": place.bucket.names(),
            "diversities": [sample.diversity for sample in samples.read(run)[-1].samples],
            "outcome": outcome(run.url),
        }
        # Out of the way of a test that starts a run of this name.
        place.namespace.kubectl("delete", "job", "train")
        delete_objects(place.bucket, [*place.bucket.names("runs/"), *place.bucket.names("dataset/")])
        return found

    result: Object = once(tmp_path_factory, "undisturbed", made)
    return result
