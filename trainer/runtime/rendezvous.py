"""How workers find each other before TensorFlow looks for them.

TensorFlow waits for a worker that is not up yet without a limit or a word, and deaf to SIGTERM; so the workers
first wait for each other here.
"""

import logging
import socket
import time
from collections.abc import Callable

from preprocessing.errors import Stopped
from trainer.runtime.workers import Workers

log = logging.getLogger(__name__)

LIMIT_SECONDS = 1200.0  # Kubernetes waits up to ten minutes before it starts a pod again, and its node pulls the image
LINE_SECONDS = 15.0
ASK_SECONDS = 0.5


def wait_for_all(
    workers: Workers,
    should_stop: Callable[[], bool],
    *,
    limit_seconds: float = LIMIT_SECONDS,
    line_seconds: float = LINE_SECONDS,
) -> None:
    """Returns once each other worker has been there: its name resolves and its port answers.

    A worker listens on its own port meanwhile, and right after on the same for TensorFlow, so a later one finds
    it too. Raises Stopped if asked to stop, and TimeoutError, naming who is missing, after `limit_seconds`.
    """
    own = workers.hosts[workers.index]
    missing = [host for host in workers.hosts if host != own]
    began = shown = time.monotonic()
    with _listening(int(own.rpartition(":")[2])):
        while missing := [host for host in missing if not _answers(host)]:
            now = time.monotonic()
            if should_stop():
                raise Stopped
            if now > began + limit_seconds:
                raise TimeoutError(
                    f"no answer from {', '.join(missing)} in {limit_seconds:.0f} s: workers have to run together"
                )
            if now > shown + line_seconds:
                shown = now
                log.info("waiting for %s, %.0f of at most %.0f s", ", ".join(missing), now - began, limit_seconds)
            time.sleep(ASK_SECONDS)


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
