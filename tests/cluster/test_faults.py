"""What a retry cannot help: the Job fails at once, and says why where `kubectl describe pod` shows it."""

from pathlib import Path

from tests.cluster.conftest import Place
from tests.cluster.manifests import Object, pod
from tests.support.inputs import small_dataset


def refused(place: Place, objects: list[Object]) -> str:
    """The last line of what the container that ended with 2 has said; no second pod was tried."""
    place.namespace.apply(objects)
    job = place.namespace.ended("train", "Failed")
    [condition] = [one for one in job["status"]["conditions"] if one["type"] == "Failed"]
    assert condition["reason"] == "PodFailurePolicy"
    assert job["status"]["failed"] == 1
    assert len(place.namespace.pods("train")) == 1
    [message] = [message for code, _, message in place.namespace.termination("train") if code == 2]
    return str(message).splitlines()[-1]


def test_a_wrong_key_fails_the_job_at_once(place: Place) -> None:
    line = refused(place, place.objects("train.yaml", lerning_rate=0.1))
    assert (
        line == "train: /etc/training/train.yaml: unknown key lerning_rate=0.1; the nearest known key is learning_rate"
    )


def test_missing_reviews_fail_the_job_at_once(place: Place) -> None:
    place.bucket.delete("reviews.jsonl")
    line = refused(place, place.objects("train.yaml"))
    assert line.startswith("preprocess: ")
    assert "gs://reviews/reviews.jsonl" in line


def test_an_altered_shard_fails_the_job_at_once(place: Place, reviews_file: Path, tmp_path: Path) -> None:
    small_dataset(reviews_file, tmp_path / "dataset")
    for path in sorted(tmp_path.glob("dataset/*.*")):
        place.bucket.upload(path, f"dataset/{path.name}")
    [shard, *_] = [name for name in place.bucket.names("dataset/") if "/train-" in name]
    data = bytearray(place.bucket.read(shard))
    data[len(data) // 2] ^= 1
    place.bucket.write(shard, bytes(data))
    *others, job = place.objects("train.yaml")
    del pod(job)["initContainers"]  # it would see the damage, and make the dataset anew
    line = refused(place, [*others, job])
    assert line.startswith(f"train: gs://reviews/{shard}: SHA-256 ")


def test_an_altered_shard_is_made_anew_by_the_preprocessing_before_the_training(place: Place) -> None:
    place.namespace.apply(place.objects("preprocess.yaml"))
    place.namespace.ended("preprocess")
    [shard, *_] = [name for name in place.bucket.names("dataset/") if "/train-" in name]
    before = place.bucket.read(shard)
    place.bucket.write(shard, before[:-1] + b"x")
    place.namespace.apply(place.objects("train.yaml", epochs=1))
    place.namespace.ended("train")
    assert place.bucket.read(shard) == before


def test_the_image_has_a_user_of_its_own_that_is_not_root(place: Place) -> None:
    place.namespace.apply(place.objects("preprocess.yaml"))  # which asks for no user, in a namespace that refuses root
    place.namespace.ended("preprocess")


def test_a_namespace_that_is_restricted_refuses_a_pod_that_asks_for_root(place: Place) -> None:
    *settings, job = place.objects("preprocess.yaml")
    pod(job)["securityContext"]["runAsUser"] = 0
    place.namespace.apply([*settings, job])
    place.namespace.wait("its refusal", lambda: "violates PodSecurity" in place.namespace.kubectl("get", "events"))
