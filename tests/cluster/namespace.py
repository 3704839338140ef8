"""A namespace of its own for each test, and what a test does there: kubectl, and waiting for what it says."""

import json
import subprocess
import time
import uuid
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

from tests.cluster.manifests import Object

RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
Found = TypeVar("Found")


def kubectl(*arguments: str, stdin: str | None = None, check: bool = True) -> str:
    """What kubectl prints; AssertionError with what it says if it fails."""
    done = subprocess.run(["kubectl", *arguments], input=stdin, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 or not check, f"kubectl {' '.join(arguments)}: {done.stderr}"
    return done.stdout


class Namespace:
    """One at the restricted level of pod security."""

    def __init__(self) -> None:
        self.name = f"review-trainer-{uuid.uuid4().hex[:8]}"
        metadata = {"name": self.name, "labels": RESTRICTED}
        kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))
        # Or the first pods may be refused: it is made a moment after its namespace.
        self.wait("its service account", lambda: self.kubectl("get", "serviceaccount", "default", check=False))

    def delete(self) -> None:
        """With all that is in it; does not wait for that."""
        kubectl("delete", "namespace", self.name, "--wait=false")
        self.kubectl("delete", "pods", "--all", "--grace-period=1", "--wait=false")

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        return kubectl("--namespace", self.name, *arguments, stdin=stdin, check=check)

    def apply(self, objects: Sequence[Object]) -> None:
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "-f", "-", stdin=json.dumps(listed))

    def get(self, kind: str, name: str) -> Object:
        found: Object = json.loads(self.kubectl("get", kind, name, "-o", "json"))
        return found

    def pods(self, job: str) -> list[Object]:
        """All of a Job, the first one first; those that are replaced stay to be read."""
        found = self.kubectl("get", "pods", "-l", f"batch.kubernetes.io/job-name={job}", "-o", "json")
        items: list[Object] = json.loads(found)["items"]
        return sorted(items, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def running(self, job: str, index: int, *, but: Collection[str]) -> str | None:
        """The name of a Job's pod that runs, in an Indexed Job of that index, `but` for those."""
        for pod in self.pods(job):
            name: str = pod["metadata"]["name"]
            here = pod["metadata"].get("annotations", {}).get("batch.kubernetes.io/job-completion-index", "0")
            if pod["status"]["phase"] == "Running" and int(here) == index and name not in but:
                return name
        return None

    def wait(self, what: str, asked: Callable[[], Found | None], *, seconds: float = 300) -> Found:
        """What is asked for, once it is true; AssertionError with all that can be told if that takes too long."""
        deadline = time.monotonic() + seconds
        while not (found := asked()):
            assert time.monotonic() < deadline, f"{self.name}: waited {seconds:.0f} s for {what}\n{self.story()}"
            time.sleep(0.2)
        assert found is not None
        return found

    def ended(self, job: str, condition: str = "Complete", *, seconds: float = 420) -> Object:
        """The Job, once it is Complete or Failed; AssertionError if that is not what was expected."""

        def done() -> str | None:
            conditions = self.get("job", job)["status"].get("conditions", [])
            return next(
                (c["type"] for c in conditions if c["type"] in ("Complete", "Failed") and c["status"] == "True"), None
            )

        found = self.wait(f"job {job}", done, seconds=seconds)
        assert found == condition, f"job {job}: {found}\n{self.story()}"
        return self.get("job", job)

    def evict(self, pod: str) -> None:
        """As a node that is drained does."""
        metadata = {"name": pod, "namespace": self.name}
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
        path = f"/api/v1/namespaces/{self.name}/pods/{pod}/eviction"
        kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))

    def python(self, pod: str, code: str, *, check: bool = True) -> str:
        """Runs code in the pod's main container."""
        return self.kubectl("exec", pod, "--", "python", "-c", code, check=check)

    def termination(self, job: str) -> list[Any]:
        """Exit code, reason and message of each container of the Job's pods that has ended."""
        statuses = [
            status
            for pod in self.pods(job)
            for kind in ("initContainerStatuses", "containerStatuses")
            for status in pod["status"].get(kind, [])
        ]
        ended = [status["state"].get("terminated") for status in statuses]
        return [(one["exitCode"], one["reason"], one.get("message", "").strip()) for one in ended if one]

    def story(self) -> str:
        """What happened, for a test that failed."""
        parts = [self.kubectl("get", "all", "-o", "wide", check=False)]
        parts.append(self.kubectl("get", "events", "--sort-by=.lastTimestamp", check=False)[-3000:])
        for pod in self.kubectl("get", "pods", "-o", "name", check=False).split():
            parts.append(f"{pod}:\n" + self.kubectl("logs", pod, "--all-containers", "--tail=15", check=False))
        return "\n".join(parts)
