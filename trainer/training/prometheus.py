"""/metrics for Prometheus and /healthz for a probe, served over HTTP by the process that trains.

Prometheus reads the numbers from the training loop when it scrapes: training itself spends nothing on them.
"""

import logging
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import PLATFORM_COLLECTOR, PROCESS_COLLECTOR, CollectorRegistry, Gauge, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from preprocessing.storage.bucket import Bucket
from preprocessing.storage.urls import last_part
from trainer.runs.metric_rows import Trained, Validated
from trainer.runs.start_records import count_restarts
from trainer.runtime.watchdog import Watchdog
from trainer.training.loop import Loop

log = logging.getLogger(__name__)

PLAIN = (("Content-Type", "text/plain; charset=utf-8"),)  # copied for each answer, because wsgiref adds its length


@contextmanager
def serve_run(loop: Loop, folder: Bucket, watchdog: Watchdog, *, port: int, saves: bool) -> Iterator[None]:
    """Serve a run's metrics and health within the block; port 0 serves nothing.

    The process must have written its start record before, or its restart is not counted.
    A port that is taken costs a warning, never the run.
    """
    with ExitStack() as stack:
        if port:
            name, restarts = last_part(folder.url), count_restarts(folder)
            registry = run_metrics(loop, run=name, restarts=restarts, saves=saves)

            def health() -> tuple[bool, str]:
                steps = f"step {loop.step} of {loop.plan.steps}"
                return watchdog.healthy, f"{steps}, last sign of progress {watchdog.quiet_seconds:.1f} s ago"

            try:
                stack.enter_context(serve(registry, health, port=port))
            except OSError as error:
                log.warning("metrics_port=%d: no /metrics and /healthz: %s", port, error)
        yield


@contextmanager
def serve(registry: CollectorRegistry, health: Callable[[], tuple[bool, str]], *, port: int) -> Iterator[int]:
    """Serve /metrics and /healthz within the block, and yield the port. Port 0 takes any free one.

    /metrics has the registry's metrics and those of the process. /healthz answers with the text of `health`, with
    status 200 if it is healthy, else 503. Raises OSError if the port is taken.
    """
    for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR):
        registry.register(collector)
    metrics = make_wsgi_app(registry)

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/metrics":
            return metrics(environ, start_response)
        if environ["PATH_INFO"] != "/healthz":
            start_response("404 Not Found", [*PLAIN])
            return [b"/metrics and /healthz are here\n"]
        healthy, text = health()
        start_response("200 OK" if healthy else "503 Service Unavailable", [*PLAIN])
        return [f"{text}\n".encode()]

    host, server_class = ("::", _DualStackServer) if socket.has_dualstack_ipv6() else ("", ThreadingWSGIServer)
    with make_server(host, port, answer, server_class=server_class, handler_class=_Quiet) as server:
        Thread(target=server.serve_forever, name="endpoint", daemon=True).start()
        log.info("/metrics and /healthz on port %d", server.server_port)
        try:
            yield server.server_port
        finally:
            server.shutdown()


class _DualStackServer(ThreadingWSGIServer):
    """A server of IPv6 and IPv4, as pods may have either."""

    address_family = socket.AF_INET6

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def run_metrics(loop: Loop, *, run: str, restarts: int, saves: bool = True) -> CollectorRegistry:
    """Return the metrics of a run, labelled with its name. Rates and ages count from this call.

    `restarts` counts the processes that trained the run before this one. Unless this process `saves` the run, there
    are no metrics of checkpoints: an alert on their age must not fire for such a worker.
    """
    registry, plan, saver, began = CollectorRegistry(), loop.plan, loop.saver, time.monotonic()

    def gauge(name: str, documentation: str, value: Callable[[], float]) -> None:
        Gauge(f"trainer_{name}", documentation, ["run"], registry=registry).labels(run).set_function(value)

    gauge("step", "Steps done", lambda: loop.step)
    gauge("steps", "Steps of the whole run", lambda: plan.steps)
    gauge("epochs", "Epochs done, with the begun one's part", lambda: loop.step / plan.steps_per_epoch)
    gauge("restarts", "Processes that trained this run before this one", lambda: restarts)
    gauge(
        "goodput_ratio",
        "Share of this process' time that went into steps, up to the last row of metrics",
        lambda: loop.seconds_in_steps / (time.monotonic() - began),
    )
    if saves:
        gauge("checkpoint_step", "Step of the newest checkpoint, 0 without any", lambda: saver.step)
        gauge(
            "checkpoint_age_seconds",
            "Since the newest checkpoint was saved; before the first by this process, since it began",
            lambda: time.monotonic() - (saver.saved_at or began),
        )
        gauge("checkpoint_seconds", "What the last save took beside training, 0 before it", lambda: saver.save_seconds)
    registry.register(_CharactersAndLosses(loop, run))
    return registry


class _CharactersAndLosses(Collector):
    """The metrics that Gauge cannot give: a counter read from the loop, and losses absent until they are known."""

    def __init__(self, loop: Loop, run: str) -> None:
        self._loop, self._run, self._first_step = loop, run, loop.step

    def collect(self) -> Iterator[Metric]:
        """Yield the characters predicted and the newest loss of each split."""
        loop = self._loop
        chars = CounterMetricFamily(
            "trainer_characters", "Characters predicted in training by this process", labels=["run"]
        )
        chars.add_metric([self._run], (loop.step - self._first_step) * loop.plan.chars_per_step)
        yield chars
        loss = GaugeMetricFamily("trainer_loss_bits_per_character", "Newest loss", labels=["run", "split"])
        for kind in (Trained, Validated):
            newest = next((row for row in reversed(loop.metrics.rows) if isinstance(row, kind)), None)
            if newest:
                loss.add_metric([self._run, newest.kind], newest.bits_per_char)
        yield loss


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: a line for each scrape would hide the run's own."""
