"""The workers of a training job, and this process's number among them.

The environment names them, in one of two ways:

    TF_CONFIG              {"cluster": {"worker": [HOST:PORT, ...]}, "task": {"type": "worker", "index": 0}}; a
                           "chief" in the cluster counts as the first worker
    WORKERS                the number of workers; without TF_CONFIG, these two belong to it:
    JOB_COMPLETION_INDEX   this worker's number from 0; Kubernetes sets it in the pods of an Indexed Job
    PEERS                  the address of worker {index}, as the headless Service names it: train-{index}.train:2222
    COLLECTIVES            optional: ring (gRPC) or nccl; the default is nccl between GPUs and ring between CPUs

Without these variables, or with one worker, the process is alone. All workers share each batch. Worker 0 is the chief,
and the only worker that writes.

TensorFlow waits for a missing worker without a limit, without a message, and deaf to SIGTERM. So the workers first wait
for each other here.
"""

import json
import logging
import re
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from preprocessing.errors import InputError, Stopped
from preprocessing.progress import Progress

log = logging.getLogger(__name__)

LIMIT_SECONDS = 1200.0  # Kubernetes restarts a pod after up to ten minutes, and its node pulls the image
LINE_SECONDS = 15.0
POLL_SECONDS = 0.5
COLLECTIVES = ("auto", "ring", "nccl")
ADDRESS = re.compile(r"([^\s:/]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})")


@dataclass(frozen=True)
class Workers:
    """The addresses HOST:PORT of all workers, () for a process alone, and this worker's number.

    collectives: how workers sum their gradients: auto, ring or nccl.
    """

    hosts: tuple[str, ...] = ()
    index: int = 0
    collectives: str = "auto"

    @property
    def count(self) -> int:
        """The number of workers, at least 1."""
        return max(1, len(self.hosts))

    @property
    def chief(self) -> bool:
        """True for worker 0, which writes."""
        return self.index == 0

    def tf_config(self) -> str:
        """Return the workers in the format of TensorFlow's TF_CONFIG."""
        return json.dumps({"cluster": {"worker": self.hosts}, "task": {"type": "worker", "index": self.index}})


ALONE = Workers()


def read_workers(environment: Mapping[str, str]) -> Workers:
    """Read the workers from environment variables. Raises InputError with the variable's name if it is wrong."""
    if environment.get("TF_CONFIG", "").strip():
        workers = _parse_tf_config(environment["TF_CONFIG"])
    elif "WORKERS" in environment:
        workers = _read_indexed_job(environment)
    else:
        return ALONE
    if len(workers.hosts) <= 1:
        return ALONE
    _check(workers)
    collectives = environment.get("COLLECTIVES", "auto").lower()
    if collectives not in COLLECTIVES:
        raise InputError(f"COLLECTIVES={collectives}: expected {', '.join(COLLECTIVES)}")
    return replace(workers, collectives=collectives)


def _read_indexed_job(environment: Mapping[str, str]) -> Workers:
    count = _number(environment, "WORKERS", least=1)
    index = _number(environment, "JOB_COMPLETION_INDEX", least=0) if count > 1 else 0
    peers = environment.get("PEERS", "")
    if count > 1 and "{index}" not in peers:
        raise InputError(f"PEERS={peers}: expected HOST:PORT with {{index}} in it, train-{{index}}.train:2222 say")
    return Workers(tuple(peers.replace("{index}", str(number)) for number in range(count)), index)


def _check(workers: Workers) -> None:
    if workers.index >= workers.count:
        raise InputError(
            f"worker {workers.index}: expected a number from 0 to {workers.count - 1}, of {workers.count} workers"
        )
    for host in workers.hosts:
        address = ADDRESS.fullmatch(host)
        if not address or not 0 < int(address[2]) < 65536:
            raise InputError(f"worker {host!r}: expected HOST:PORT")
    if len(set(workers.hosts)) < workers.count:
        raise InputError(f"workers {', '.join(workers.hosts)}: expected a different HOST:PORT for each")


def _parse_tf_config(text: str) -> Workers:
    try:
        values = json.loads(text)
        cluster, task = values["cluster"], values["task"]
        chiefs, others = list(cluster.get("chief", [])), list(cluster.get("worker", []))
        first = {"chief": 0, "worker": len(chiefs)}[task["type"]]
        index = int(task["index"])
        if index < 0 or index >= len({"chief": chiefs, "worker": others}[task["type"]]):
            raise ValueError(f"no {task['type']} {index}")
        return Workers(tuple(map(str, [*chiefs, *others])), first + index)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f'TF_CONFIG: expected {{"cluster": {{"worker": [HOST:PORT, ...]}}, '
            f'"task": {{"type": "worker", "index": 0}}}}: {type(error).__name__} {error}'
        ) from None


def _number(environment: Mapping[str, str], name: str, *, least: int) -> int:
    text = environment.get(name, "")
    if not (text.isascii() and text.isdigit()) or int(text) < least:
        raise InputError(f"{name}={text}: expected a whole number from {least}")
    return int(text)


def wait_for_all(
    workers: Workers,
    should_stop: Callable[[], bool],
    *,
    limit_seconds: float = LIMIT_SECONDS,
    line_seconds: float = LINE_SECONDS,
) -> None:
    """Wait until every other worker has answered once: its name resolves, and its port accepts a connection.

    Meanwhile this worker listens on its own port. TensorFlow listens on the same port right after, so a later worker
    finds it too. Raises Stopped if `should_stop` returns true, and TimeoutError with the missing workers' names after
    `limit_seconds`.
    """
    address = workers.hosts[workers.index]
    missing = [host for host in workers.hosts if host != address]
    progress = Progress(line_seconds=line_seconds)
    with _listening(int(address.rpartition(":")[2])):
        while missing := [host for host in missing if not _answers(host)]:
            if should_stop():
                raise Stopped
            if progress.seconds > limit_seconds:
                raise TimeoutError(
                    f"no answer from {', '.join(missing)} in {limit_seconds:.0f} s: workers have to run together"
                )
            if progress.is_due():
                log.info("waiting for %s, %.0f of at most %.0f s", ", ".join(missing), progress.seconds, limit_seconds)
            time.sleep(POLL_SECONDS)


def _listening(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128)
    return socket.create_server(("", port), backlog=128)


def _answers(host: str) -> bool:
    name, _, port = host.rpartition(":")
    try:
        socket.create_connection((name.strip("[]"), int(port)), timeout=5).close()
    except OSError:
        return False
    return True
