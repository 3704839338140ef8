"""A Cloud Storage emulator as a pod of the image under test. A ConfigMap carries the emulator's code."""

import base64
import io
import re
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from tests.cluster.manifests import Object, containers, job, pod
from tests.cluster.namespace import Namespace

PORT = 9023
LABELS = {"app": "store"}
METADATA_PORT = 8080  # Beam looks for credentials for 22 s if no service answers
# Environment variables of the pods that use the store.
ENVIRONMENT = {
    "STORAGE_EMULATOR_HOST": f"http://store:{PORT}",
    "GCE_METADATA_HOST": f"store:{METADATA_PORT}",
    "GCE_METADATA_IP": f"store:{METADATA_PORT}",
}
CODE = "/code/code.zip"


def objects(image: str) -> list[Object]:
    """Return the store's ConfigMap, pod and Service. The store is in memory; no controller restarts the pod."""
    [preprocess] = job("preprocess.yaml")
    container = {
        "image": image,
        "env": [{"name": "PYTHONPATH", "value": CODE}],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
        "securityContext": next(containers(preprocess))["securityContext"],
        "volumeMounts": [{"name": "code", "mountPath": str(Path(CODE).parent)}],
    }
    emulator = {
        "name": "store",
        "args": ["tests.support.gcs_emulator", f"--port={PORT}", f"--known-as=store:{PORT}"],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
    }
    metadata = {"name": "metadata", "args": ["tests.support.local_service"]}
    spec = {
        "containers": [container | emulator, container | metadata],
        "volumes": [{"name": "code", "configMap": {"name": "store"}}],
        "securityContext": pod(preprocess)["securityContext"],
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
    }
    name = {"name": "store"}
    code = base64.b64encode(_code()).decode()
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": name, "binaryData": {Path(CODE).name: code}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": name | {"labels": LABELS}, "spec": spec},
        service(LABELS),
    ]


def service(selector: Object) -> Object:
    """Return the store's Service. A selector that matches no pod makes the store unreachable."""
    spec = {"selector": selector, "ports": [{"name": f"p{port}", "port": port} for port in (PORT, METADATA_PORT)]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "store"}, "spec": spec}


def _code() -> bytes:
    """Return a zip of the emulator and its patched request handler, for PYTHONPATH."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        emulator = Path(str(files("gcp_storage_emulator")))
        for path in emulator.rglob("*.py"):
            archive.write(path, path.relative_to(emulator.parent))
        for name in ("__init__", "support/__init__", "support/gcs_emulator", "support/local_service"):
            archive.write(Path(__file__).parents[1] / f"{name}.py", f"tests/{name}.py")
    return buffer.getvalue()


@contextmanager
def forwarded(namespace: Namespace) -> Iterator[str]:
    """Forward a local port to the store. Yields the value of STORAGE_EMULATOR_HOST."""
    command = ["kubectl", "--namespace", namespace.name, "port-forward", "pod/store", f":{PORT}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            address = re.search(r"127\.0\.0\.1:\d+", process.stdout.readline())
            assert address, "kubectl port-forward printed no address"
            yield f"http://{address[0]}"
        finally:
            process.terminate()
