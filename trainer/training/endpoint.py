"""/metrics and /healthz by HTTP, from the process that trains."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import PLATFORM_COLLECTOR, PROCESS_COLLECTOR, CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer
from prometheus_client.registry import Collector

log = logging.getLogger(__name__)

PLAIN = [("Content-Type", "text/plain; charset=utf-8")]


@contextmanager
def served(exporter: Collector, health: Callable[[], tuple[bool, str]], *, port: int) -> Iterator[int]:
    """Answers within the block, on the port that it gives: another one for 0. OSError if it cannot be had.

    /metrics has the exporter's metrics and those of the process; /healthz says how the run gets on, as `health`
    does, with status 200 where it is well, else 503.
    """
    registry = CollectorRegistry()
    for collector in (exporter, PROCESS_COLLECTOR, PLATFORM_COLLECTOR):
        registry.register(collector)
    metrics = make_wsgi_app(registry)

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/metrics":
            return metrics(environ, start_response)
        if environ["PATH_INFO"] != "/healthz":
            start_response("404 Not Found", PLAIN)
            return [b"/metrics and /healthz are here\n"]
        well, text = health()
        start_response("200 OK" if well else "503 Service Unavailable", PLAIN)
        return [f"{text}\n".encode()]

    with make_server("", port, answer, server_class=ThreadingWSGIServer, handler_class=_Quiet) as server:
        Thread(target=server.serve_forever, name="endpoint", daemon=True).start()
        log.info("/metrics and /healthz on port %d", server.server_port)
        try:
            yield server.server_port
        finally:
            server.shutdown()


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: a line for each scrape would hide the run's own."""
