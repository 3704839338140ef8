"""A run as Prometheus and a probe see it while it trains."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from preprocessing.storage.bucket import Bucket
from trainer.runs.start_records import FOLDER
from trainer.runtime.watchdog import Watch
from trainer.training import endpoint
from trainer.training.exporter import Exporter
from trainer.training.loop import Loop

log = logging.getLogger(__name__)


@contextmanager
def served(training_loop: Loop, folder: Bucket, watch: Watch, *, port: int, saves: bool) -> Iterator[None]:
    """Within the block Prometheus finds the run, which this process or another `saves`, at this port; 0: it does not.

    A port that is taken stops nothing.
    """
    with ExitStack() as stack:
        if port:
            restarts = len(folder.names(FOLDER))  # this one's is written when the run begins
            exporter = Exporter(training_loop, run=folder.url.rpartition("/")[2], restarts=restarts, saves=saves)

            def health() -> tuple[bool, str]:
                steps = f"step {training_loop.step} of {training_loop.plan.steps}"
                return watch.regular, f"{steps}, last sign of progress {watch.quiet_seconds:.1f} s ago"

            try:
                stack.enter_context(endpoint.served(exporter, health, port=port))
            except OSError as error:
                log.warning("metrics_port=%d: no /metrics and /healthz: %s", port, error)
        yield
