"""Wiring of a training run: data, model, recorders and loop, built from the configuration in this order."""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from preprocessing.dataset.folder import Dataset
from preprocessing.errors import InputError, Stopped
from preprocessing.storage.bucket import Bucket
from trainer.config import TrainConfig
from trainer.data.order import Order, TrainingPlan
from trainer.data.staging import Staging
from trainer.data.windows import Windows
from trainer.model import network
from trainer.runs.checkpoint_index import Position, Retention, newest_entry
from trainer.runs.checkpoints import Checkpoints
from trainer.runs.folder import build_order, hash_identity, list_hyperparameters, plan_run
from trainer.runs.metrics import Metrics
from trainer.runs.start_records import StartRecorder
from trainer.runtime.devices import require_gpus, set_up
from trainer.runtime.machine import machine
from trainer.runtime.stop import StopFlag
from trainer.runtime.stop_agreement import StopAgreement
from trainer.runtime.strategy import create_strategy, no_worker_lost, require_same_run
from trainer.runtime.watchdog import Watchdog
from trainer.runtime.workers import Workers
from trainer.training.evaluation import evaluate_windows, window_stride
from trainer.training.initial_weights import set_initial_weights
from trainer.training.loop import Loop
from trainer.training.profiler import Profiler
from trainer.training.progress import TrainingProgress
from trainer.training.sample_writer import SampleWriter
from trainer.training.saver import Saver
from trainer.training.steps import Steps
from trainer.training.telemetry import serve_run

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingJob:
    """A run to train, and what this process gives to it.

    `watchdog` is reset at each sign of progress. `after_save` is called after each save of the chief, with whether an
    epoch ended there.
    """

    config: TrainConfig
    dataset: Dataset
    staging: Staging
    folder: Bucket
    scratch: Path
    workers: Workers
    stop: StopFlag
    watchdog: Watchdog
    after_save: Callable[[bool], None]

    def should_stop(self) -> bool:
        """Return whether SIGTERM or Ctrl-C came. Called before each step, batch and sampled character."""
        self.watchdog.reset()
        return self.stop()


@dataclass(frozen=True)
class Data:
    """The windows of a run, in their order."""

    plan: TrainingPlan
    order: Order
    training: Windows
    held_out: Windows


@dataclass(frozen=True)
class Network:
    """The model and its optimizer on this run's devices, with the compiled steps."""

    strategy: tf.distribute.Strategy
    agreement: StopAgreement
    model: keras.Model
    optimizer: Any
    steps: Steps


@dataclass(frozen=True)
class Recorders:
    """The writers of the run's folder."""

    record: StartRecorder
    metrics: Metrics
    saver: Saver


def train(job: TrainingJob) -> None:
    """Begin or continue the run in the job's folder, and train it to its end.

    Raises Stopped, with all saved, after SIGTERM or Ctrl-C, and what Loop.run raises.
    """
    data = open_data(job)
    if job.workers.count > 1 and is_complete(job.folder, data.plan):
        log.info("%s: complete", job.folder.url)  # the other workers may be gone for good, and would be waited for
        return
    require_gpus(job.config.min_gpus)
    with no_worker_lost():
        net = build_network(job, data.plan)
        checkpoints = open_checkpoints(job)
        start = set_initial_weights(
            *(net.model, net.optimizer, checkpoints, job.config, job.dataset.manifest),
            strategy=net.strategy,
            workers=job.workers,
            scratch=job.scratch,
        )
        recorders = open_recorders(job, checkpoints, start)
        run_loop(job, build_loop(job, data, net, recorders, start), recorders, net.agreement)


def open_data(job: TrainingJob) -> Data:
    """Open both splits. Raises InputError if one step may need more shards than `staging.max_bytes`."""
    config, manifest = job.config, job.dataset.manifest
    order = build_order(config, manifest)
    needed = order.windows_at_once * manifest.record_bytes
    if job.dataset.is_remote and needed > config.staging.max_bytes:
        raise InputError(
            f"staging.max_bytes={config.staging.max_bytes}: a step may need {needed} bytes of shards, two blocks of "
            f"block_windows={config.block_windows} or of the largest shard: raise the one or lower the other"
        )
    training, held_out = (
        Windows(job.dataset.shards(split), manifest, job.staging.mapped) for split in ("train", "validation")
    )
    return Data(plan_run(config, manifest), order, training, held_out)


def is_complete(folder: Bucket, plan: TrainingPlan) -> bool:
    """Return whether the run is at its end, with all that it writes in its folder."""
    entry = newest_entry(folder)
    return entry is not None and entry.ends(plan.steps)


def build_network(job: TrainingJob, plan: TrainingPlan) -> Network:
    """Build model, optimizer and steps on all replicas, once all workers are there."""
    config, manifest = job.config, job.dataset.manifest
    strategy = create_strategy(job.workers, job.should_stop)
    agreement = StopAgreement(strategy, job.should_stop, workers=job.workers.count)
    cudnn = set_up(config.precision, seed=config.seed)
    require_same_run(strategy, job.workers, hash_identity(config, manifest))
    with strategy.scope():
        model = network.build_model(config.model, manifest, cudnn=cudnn)
        optimizer = network.optimizer(
            learning_rate=config.learning_rate,
            schedule=config.schedule,
            warmup_steps=config.warmup_steps,
            steps=plan.steps,
        )
        optimizer.build(model.trainable_variables)
    steps = Steps(
        *(strategy, model, optimizer),
        objective=config.objective,
        clip_norm=config.clip_norm,
        batch_windows=config.batch_windows,
        agreement=agreement,
    )
    return Network(strategy, agreement, model, optimizer, steps)


def open_checkpoints(job: TrainingJob) -> Checkpoints:
    """Open the run's checkpoints. Only the chief saves, so only the chief logs saves."""
    config = job.config.checkpoint
    if not job.workers.chief:
        logging.getLogger(Checkpoints.__module__).setLevel(logging.WARNING)
    retention = Retention(config.keep, every_epochs=config.keep_every_epochs)
    return Checkpoints(job.folder, retention=retention, scratch=job.scratch)


def open_recorders(job: TrainingJob, checkpoints: Checkpoints, start: Position) -> Recorders:
    """Open the writers of the run's folder. A worker that is not the chief writes nothing through them."""
    record = StartRecorder(job.folder, step=start.step, machine=machine())
    # Each worker reads the metric rows itself: they change only after a step, which takes all workers.
    metrics = Metrics(job.folder, step=start.step, scratch=job.scratch, recorder=record)
    metrics.hyperparameters(list_hyperparameters(job.config))
    saver = Saver(
        *(job.folder, checkpoints, metrics),
        give_up_seconds=job.config.checkpoint.give_up_seconds,
        alive=job.watchdog.reset,
        after_save=job.after_save if job.workers.chief else lambda _: None,
    )
    return Recorders(record, metrics, saver)


def build_loop(job: TrainingJob, data: Data, net: Network, recorders: Recorders, start: Position) -> Loop:
    """Build the loop, from `start` to the end of the plan."""
    config, plan, manifest = job.config, data.plan, job.dataset.manifest
    log.info(
        "%d parameters, %d steps of %d characters, %d done",
        *(net.model.count_params(), plan.steps, plan.chars_per_step, start.step),
    )
    samples = SampleWriter(
        *(net.model, data.held_out, manifest.symbols(), config, job.should_stop), show=recorders.metrics.samples
    )
    profiler = Profiler(
        recorders.metrics.folder,
        first=config.profile.first,
        steps=config.profile.steps,
        left=plan.steps - start.step,
    )
    stride = window_stride(config.objective, manifest)
    return Loop(
        plan=plan,
        order=data.order,
        windows=data.training,
        model=net.model,
        optimizer=net.optimizer,
        steps=net.steps,
        saver=recorders.saver,
        metrics=recorders.metrics,
        progress=TrainingProgress(start=start.step, steps=plan.steps, chars_per_step=plan.chars_per_step),
        profile=profiler.end_step,
        validate=lambda: evaluate_windows(net.steps, data.held_out, stride=stride, should_stop=net.agreement),
        write_samples=samples_of_chief(samples, net.agreement, chief=job.workers.chief),
        should_stop=net.agreement,
        log_every_steps=config.log_every_steps,
        checkpoint_every_seconds=config.checkpoint.every_seconds if job.workers.chief else math.inf,
        start=start,
    )


def run_loop(job: TrainingJob, loop: Loop, recorders: Recorders, agreement: StopAgreement) -> None:
    """Run the loop with its telemetry and its start record. From here on SIGTERM saves before the process exits."""
    job.stop.save_first(loop.is_saved)
    job.watchdog.call_before_exit(recorders.record.record_stall)
    with (
        recorders.record.recording(lambda: loop.step, stop_signal=lambda: job.stop.signal),
        serve_run(loop, job.folder, job.watchdog, port=job.config.metrics_port, saves=job.workers.chief),
        # No worker leaves before the chief has saved: if the save fails, all must be there to start again.
        agreement.leaving_together(),
    ):
        loop.run()


def samples_of_chief(
    samples: SampleWriter, agreement: StopAgreement, *, chief: bool
) -> Callable[[int, int], Mapping[str, bytes]]:
    """Return a writer for every worker to call: the chief samples, the others wait for it and write nothing."""

    def write(epoch: int, step: int) -> Mapping[str, bytes]:
        with agreement.leaving_together():
            written = samples(epoch, step) if chief else {}
        if agreement():
            raise Stopped
        return written

    return write
