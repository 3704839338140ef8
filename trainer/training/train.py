"""Wiring of a training run: data, steps, initial weights, recorders and loop, built from the configuration."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from preprocessing.dataset.folder import Dataset
from preprocessing.errors import InputError
from preprocessing.storage.bucket import Bucket
from trainer.config import TrainConfig
from trainer.data.order import Order
from trainer.data.plan import TrainingPlan
from trainer.data.staging import Staging
from trainer.data.windows import Windows
from trainer.model.network import build_model
from trainer.model.optimizer import build_optimizer
from trainer.runs.checkpoint_index import Position, Retention, newest_entry
from trainer.runs.checkpoints import Checkpoints
from trainer.runs.completion import is_complete
from trainer.runs.folder import build_order, hash_identity, list_hyperparameters, plan_run
from trainer.runs.metric_rows import read_metric_rows
from trainer.runs.metrics import Metrics
from trainer.runs.start_records import StartRecorder, log_machine_change
from trainer.runtime.devices import (
    configure_devices,
    describe_arithmetic,
    is_deterministic,
    require_gpus,
    require_supported_gpus,
)
from trainer.runtime.machine import describe_machine
from trainer.runtime.stop import StopFlag
from trainer.runtime.stop_agreement import StopAgreement
from trainer.runtime.strategy import create_strategy, no_worker_lost, require_same_run
from trainer.runtime.watchdog import Watchdog
from trainer.runtime.workers import Workers
from trainer.training.carry import require_carried_windows, window_stride
from trainer.training.device_check import check_gpus
from trainer.training.evaluation import evaluate_carried, evaluate_windows
from trainer.training.initial_weights import set_initial_weights
from trainer.training.loop import Loop
from trainer.training.profiler import Profiler
from trainer.training.progress import TrainingProgress
from trainer.training.prometheus import serve_run
from trainer.training.sample_writer import SampleWriter
from trainer.training.saver import Saver
from trainer.training.steps import Steps

log = logging.getLogger(__name__)

# Below this batch NVIDIA's guide to recurrent layers calls them bound by memory and not by arithmetic.
FILLING_WINDOWS = 128


@dataclass(frozen=True)
class TrainingJob:
    """A run to train, and what this process gives to it.

    `watchdog` is reset at each sign of progress. `after_save` is called after each save of the chief, with whether a
    validation was due there.
    """

    config: TrainConfig
    dataset: Dataset
    staging: Staging
    bucket: Bucket
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


def run_training(job: TrainingJob) -> None:
    """Begin or continue the run in the job's bucket, and train it to its end.

    Raises Stopped, with all saved, after SIGTERM or Ctrl-C, and the exceptions of Loop.run.
    """
    data = open_data(job)
    newest = newest_entry(job.bucket) if job.workers.count > 1 else None
    if newest and is_complete(newest, data.plan, read_metric_rows(job.bucket)):
        log.info("%s: complete", job.bucket.url)  # the other workers may be gone for good, and would be waited for
        open_checkpoints(job, data.plan).sweep(is_complete=True)
        return
    require_supported_gpus()
    require_gpus(job.config.min_gpus)
    with no_worker_lost():
        steps = build_steps(job, data.plan)
        checkpoints = open_checkpoints(job, data.plan)
        start = set_initial_weights(
            *(steps, checkpoints, job.config, job.dataset.manifest), workers=job.workers, scratch=job.scratch
        )
        machine = describe_machine() | describe_arithmetic(steps.strategy.num_replicas_in_sync)
        log_machine_change(job.bucket, machine, step=start.step)
        recorder = StartRecorder(job.bucket, step=start.step, machine=machine)
        loop = build_loop(job, data, steps, checkpoints, recorder, start)
        checkpoints.sweep(is_complete=loop.is_complete())
        run_loop(job, loop, recorder)


def open_data(job: TrainingJob) -> Data:
    """Open both splits. Raises InputError if one step may need more shards than `staging.max_bytes`."""
    config, manifest = job.config, job.dataset.manifest
    require_carried_windows(config, job.dataset)
    order = build_order(config, manifest)
    needed = order.windows_at_once * manifest.record_bytes
    if job.dataset.is_remote and needed > config.staging.max_bytes:
        raise InputError(
            f"staging.max_bytes={config.staging.max_bytes}: a step may need {needed} bytes of shards, two blocks of "
            f"block_windows={config.block_windows} or of the largest shard: raise the one or lower the other"
        )
    training, held_out = (
        Windows(job.dataset.shards(split), manifest, job.staging.map_shard) for split in ("train", "validation")
    )
    return Data(plan_run(config, manifest), order, training, held_out)


def build_steps(job: TrainingJob, plan: TrainingPlan) -> Steps:
    """Build the steps with their model and optimizer on all replicas, once all workers are there."""
    config, manifest = job.config, job.dataset.manifest
    strategy = create_strategy(
        *(job.workers, job.should_stop), cpu_replicas=config.cpu_replicas, batch_windows=config.batch_windows
    )
    agreement = StopAgreement(strategy, job.should_stop, workers=job.workers.count)
    layers = configure_devices(config.precision, seed=config.seed, deterministic=config.deterministic)
    require_same_run(strategy, job.workers, hash_identity(config, manifest))
    if layers == "cudnn":
        check_gpus(strategy, workers=job.workers.count)
    deterministic = is_deterministic(config.deterministic, gpus=int(layers == "cudnn"))
    with strategy.scope():
        model = build_model(config.model, manifest, layers=layers)
        optimizer = build_optimizer(
            learning_rate=config.learning_rate,
            schedule=config.schedule,
            warmup_steps=config.warmup_steps,
            steps=plan.steps,
            optimizer=config.optimizer,
        )
        optimizer.build(model.trainable_variables)
    return Steps(
        *(strategy, model, optimizer),
        objective=config.objective,
        clip_norm=config.clip_norm,
        batch_windows=config.batch_windows,
        agreement=agreement,
        carry=config.carry_windows > 1,
        # A CPU could do without scatter as well, but runs of earlier versions would continue with other bits.
        scatter=not (layers == "cudnn" and deterministic),
    )


def open_checkpoints(job: TrainingJob, plan: TrainingPlan) -> Checkpoints:
    """Open the run's checkpoints. Only the chief saves, so only the chief logs saves."""
    config = job.config.checkpoint
    if not job.workers.chief:
        logging.getLogger(Checkpoints.__module__).setLevel(logging.WARNING)
    retention = Retention(config.keep, every_steps=config.keep_every_epochs * plan.steps_per_epoch)
    return Checkpoints(job.bucket, retention=retention, scratch=job.scratch)


def build_loop(
    job: TrainingJob, data: Data, steps: Steps, checkpoints: Checkpoints, recorder: StartRecorder, start: Position
) -> Loop:
    """Build the loop, from `start` to the end of the plan, with the writers of the run's folder.

    A worker that is not the chief has the same parts, but its bucket is read-only.
    """
    config, plan, manifest, chief = job.config, data.plan, job.dataset.manifest, job.workers.chief
    share = config.batch_windows // steps.strategy.num_replicas_in_sync
    if share < FILLING_WINDOWS and tf.config.get_visible_devices("GPU"):
        log.info("%d windows a GPU in each step: with fewer than %d a GPU waits", share, FILLING_WINDOWS)
    log.info(
        "%d parameters, %d steps of %d characters, %d done",
        *(steps.model.count_params(), plan.steps, plan.chars_per_step, start.step),
    )
    # Each worker reads the metric rows itself: they change only after a step, which takes all workers.
    metrics = Metrics(job.bucket, step=start.step, scratch=job.scratch, recorder=recorder)
    metrics.hyperparameters(list_hyperparameters(config))
    samples = SampleWriter(
        *(steps.model, data.held_out, manifest.symbols(), config, steps.agreement),
        ends_epoch=plan.ends_epoch,
        chief=chief,
        should_stop=job.should_stop,
        show=metrics.samples,
    )
    profiler = Profiler(
        metrics.folder, first=config.profile.first, steps=config.profile.steps, left=plan.steps - start.step
    )
    stride = window_stride(config.objective, manifest)
    evaluate = evaluate_carried if config.carry_windows > 1 else evaluate_windows
    return Loop(
        plan=plan,
        order=data.order,
        windows=data.training,
        steps=steps,
        saver=Saver(
            *(job.bucket, checkpoints, metrics),
            give_up_seconds=config.checkpoint.give_up_seconds,
            alive=job.watchdog.reset,
            after_save=job.after_save if chief else lambda _: None,
        ),
        metrics=metrics,
        progress=TrainingProgress(start=start.step, steps=plan.steps, chars_per_step=plan.chars_per_step),
        profiler=profiler,
        validate=lambda: evaluate(steps, data.held_out, stride=stride),
        write_samples=samples,
        log_every_steps=config.log_every_steps,
        checkpoint_every_seconds=config.checkpoint.every_seconds if chief else math.inf,
        start=start,
    )


def run_loop(job: TrainingJob, loop: Loop, recorder: StartRecorder) -> None:
    """Run the loop with Prometheus metrics and a start record. From here on SIGTERM saves before the process exits."""
    job.stop.save_first(loop.is_saved)
    job.watchdog.call_before_exit(recorder.record_stall)
    with (
        recorder.recording(lambda: loop.step, stop_signal=lambda: job.stop.signal),
        serve_run(loop, job.bucket, job.watchdog, port=job.config.metrics_port, saves=job.workers.chief),
        # No worker leaves before the chief has saved: if the save fails, all must be there to start again.
        loop.steps.agreement.barrier_at_end(),
    ):
        loop.run()
