"""A run's numbers for Prometheus, read from the training loop when asked for: training spends nothing on them."""

import time
from collections.abc import Iterator, Mapping

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from trainer.runs.metric_rows import Trained, Validated
from trainer.training.loop import Loop


class Exporter(Collector):
    """The metrics of a run from the loop's construction on, all labelled with its name.

    `restarts`: how many processes trained this run before this one. Unless this one `saves` the run, it has nothing to
    tell of checkpoints, and an alert on their age must not hear of it.
    """

    def __init__(self, loop: Loop, *, run: str, restarts: int, saves: bool = True) -> None:
        self._loop, self._run, self._restarts, self._saves = loop, run, restarts, saves
        self._began, self._first_step = time.monotonic(), loop.step

    def collect(self) -> Iterator[Metric]:
        """What Prometheus gets now; a loss is there once it is known."""
        loop, plan = self._loop, self._loop.plan
        now = time.monotonic()
        chars = CounterMetricFamily(
            "trainer_characters", "Characters predicted in training by this process", labels=["run"]
        )
        chars.add_metric([self._run], (loop.step - self._first_step) * plan.chars_per_step)
        yield chars
        loss = GaugeMetricFamily("trainer_loss_bits_per_character", "Newest loss", labels=["run", "split"])
        for split, bits in self._losses().items():
            loss.add_metric([self._run, split], bits)
        yield loss
        yield self._gauge("step", "Steps done", loop.step)
        yield self._gauge("steps", "Steps of the whole run", plan.steps)
        yield self._gauge("epochs", "Epochs done, with the begun one's part", loop.step / plan.steps_per_epoch)
        yield self._gauge("restarts", "Processes that trained this run before this one", self._restarts)
        yield self._gauge(
            "goodput_ratio",
            "Share of this process' time that went into steps, up to the last row of metrics",
            loop.seconds_in_steps / (now - self._began),
        )
        if self._saves:
            yield from self._checkpoints(now)

    def _checkpoints(self, now: float) -> Iterator[Metric]:
        saver = self._loop.saver
        yield self._gauge("checkpoint_step", "Step of the newest checkpoint, 0 without any", saver.step)
        yield self._gauge(
            "checkpoint_age_seconds",
            "Since the newest checkpoint was saved; before the first by this process, since it began",
            now - (saver.saved_at or self._began),
        )
        yield self._gauge(
            "checkpoint_seconds", "What the last save took beside training, 0 before it", saver.save_seconds
        )

    def _losses(self) -> Mapping[str, float]:
        rows = self._loop.metrics.rows
        newest = [next((row for row in reversed(rows) if isinstance(row, kind)), None) for kind in (Trained, Validated)]
        return {row.kind: row.bits_per_char for row in newest if row}

    def _gauge(self, name: str, documentation: str, value: float) -> Metric:
        family = GaugeMetricFamily(f"trainer_{name}", documentation, labels=["run"])
        family.add_metric([self._run], value)
        return family
