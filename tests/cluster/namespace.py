"""A namespace of the cluster, with kubectl and waiting."""

import json
import subprocess
import time
import uuid
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from tests.cluster.manifests import Object

RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
Result = TypeVar("Result")


def kubectl(*arguments: str, stdin: str | None = None, check: bool = True) -> str:
    """Run kubectl and return its output. Raises AssertionError with kubectl's error message."""
    done = subprocess.run(["kubectl", *arguments], input=stdin, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 or not check, f"kubectl {' '.join(arguments)}: {done.stderr}"
    return done.stdout


class Namespace:
    """A new namespace at the restricted level of pod security."""

    def __init__(self) -> None:
        self.name = f"review-trainer-{uuid.uuid4().hex[:8]}"
        metadata = {"name": self.name, "labels": RESTRICTED}
        kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))
        # Kubernetes creates the service account a moment after the namespace, and refuses pods before that.
        self.wait("its service account", lambda: self.kubectl("get", "serviceaccount", "default", check=False))

    def delete(self) -> None:
        """Delete the namespace and its objects, without waiting."""
        kubectl("delete", "namespace", self.name, "--wait=false")
        self.kubectl("delete", "pods", "--all", "--grace-period=1", "--wait=false")

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        return kubectl("--namespace", self.name, *arguments, stdin=stdin, check=check)

    def apply(self, objects: Sequence[Object]) -> None:
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "-f", "-", stdin=json.dumps(listed))

    def get(self, kind: str, name: str) -> Object:
        item: Object = json.loads(self.kubectl("get", kind, name, "-o", "json"))
        return item

    def pods(self, job: str) -> list[Object]:
        """Return all pods of a Job, oldest first, replaced pods included."""
        output = self.kubectl("get", "pods", "-l", f"batch.kubernetes.io/job-name={job}", "-o", "json")
        items: list[Object] = json.loads(output)["items"]
        return sorted(items, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def running_pod(self, job: str, index: int, *, exclude: Collection[str]) -> str | None:
        """Return the name of a running pod of a Job, with this index if the Job is Indexed."""
        for pod in self.pods(job):
            name: str = pod["metadata"]["name"]
            pod_index = pod["metadata"].get("annotations", {}).get("batch.kubernetes.io/job-completion-index", "0")
            if pod["status"]["phase"] == "Running" and int(pod_index) == index and name not in exclude:
                return name
        return None

    def wait(self, what: str, poll: Callable[[], Result | None], *, seconds: float = 600) -> Result:
        """Poll until the result is true, and return it. Raises AssertionError with the diagnosis at the timeout."""
        deadline = time.monotonic() + seconds
        while not (result := poll()):
            assert time.monotonic() < deadline, f"{self.name}: waited {seconds:.0f} s for {what}\n{self.diagnosis()}"
            time.sleep(0.2)
        assert result is not None
        return result

    def wait_for_job(self, job: str, condition: str = "Complete", *, seconds: float = 900) -> Object:
        """Wait until the Job is Complete or Failed, and return it. Raises AssertionError for another condition."""

        def done() -> str | None:
            conditions = self.get("job", job)["status"].get("conditions", [])
            return next(
                (c["type"] for c in conditions if c["type"] in ("Complete", "Failed") and c["status"] == "True"), None
            )

        end = self.wait(f"job {job}", done, seconds=seconds)
        assert end == condition, f"job {job}: {end}\n{self.diagnosis()}"
        return self.get("job", job)

    def evict(self, pod: str) -> None:
        """Evict a pod, as draining a node does."""
        metadata = {"name": pod, "namespace": self.name}
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
        path = f"/api/v1/namespaces/{self.name}/pods/{pod}/eviction"
        kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))

    def python(self, pod: str, code: str, *, check: bool = True) -> str:
        """Run Python code in the pod's main container."""
        return self.kubectl("exec", pod, "--", "python", "-c", code, check=check)

    def terminations(self, job: str) -> list[tuple[int, str, str]]:
        """Return (exit code, reason, message) of each terminated container of the Job's pods."""
        statuses = [
            status
            for pod in self.pods(job)
            for kind in ("initContainerStatuses", "containerStatuses")
            for status in pod["status"].get(kind, [])
        ]
        ends = [status["state"].get("terminated") for status in statuses]
        return [(end["exitCode"], end["reason"], end.get("message", "").strip()) for end in ends if end]

    def diagnosis(self) -> str:
        """Return the namespace's objects, events and logs, for the message of a failed test."""
        parts = [self.kubectl("get", "all", "-o", "wide", check=False)]
        parts.append(self.kubectl("get", "events", "--sort-by=.lastTimestamp", check=False)[-3000:])
        for pod in self.kubectl("get", "pods", "-o", "name", check=False).split():
            parts.append(f"{pod}:\n" + self.kubectl("logs", pod, "--all-containers", "--tail=15", check=False))
        return "\n".join(parts)
