"""A run wired together from its configuration: the one place where the trainer's parts meet."""

import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras

from preprocessing.dataset.folder import Dataset
from preprocessing.dataset.manifest import Manifest
from preprocessing.errors import InputError, Stopped
from preprocessing.storage.bucket import Bucket
from trainer.config import TrainConfig
from trainer.data.order import Order
from trainer.data.staging import Staging
from trainer.data.windows import Windows
from trainer.model import network
from trainer.model.network import build_model
from trainer.runs import checkpoint_index
from trainer.runs.checkpoint_index import Retention
from trainer.runs.checkpoints import Checkpoints
from trainer.runs.folder import hyperparameters, identity, order_of, plan_of
from trainer.runs.metrics import Metrics
from trainer.runs.start_records import OwnStart
from trainer.runtime.devices import require_gpus, set_up
from trainer.runtime.machine import machine
from trainer.runtime.stop import Stop
from trainer.runtime.stop_agreement import Agreement
from trainer.runtime.strategy import create_strategy, no_worker_lost, require_same_run
from trainer.runtime.watchdog import Watch
from trainer.runtime.workers import Workers
from trainer.training import loop
from trainer.training.evaluation import evaluate, window_step
from trainer.training.initial_weights import set_first_weights
from trainer.training.profiler import Profile
from trainer.training.progress import TrainingProgress
from trainer.training.sample_writer import SampleWriter
from trainer.training.saver import Saver
from trainer.training.steps import Steps
from trainer.training.telemetry import serve_run

log = logging.getLogger(__name__)


def train(
    config: TrainConfig,
    dataset: Dataset,
    staging: Staging,
    folder: Bucket,
    *,
    scratch: Path,
    stop: Stop,
    watch: Watch,
    saved: Callable[[bool], None],
    workers: Workers,
) -> None:
    """Begins or continues the run in `folder`, to its end. `watch` is called at each sign of progress, `saved` after
    each save.

    Raises Stopped, with all saved, once `stop` says so, and what Loop.run raises.
    """

    def should_stop() -> bool:
        """Asked before each step, batch and sampled character."""
        watch()
        return stop()

    manifest = dataset.manifest
    training = Windows(dataset.shards("train"), manifest, staging.mapped)
    held_out = Windows(dataset.shards("validation"), manifest, staging.mapped)
    order = order_of(config, manifest)
    if dataset.is_remote:
        refuse_too_little_room(config, order, manifest)
    plan = plan_of(config, manifest)

    if workers.count > 1 and checkpoint_index.is_complete(folder, steps=plan.steps):
        log.info("%s: complete", folder.url)  # the others may be gone for good, and would be waited for
        return
    require_gpus(config.min_gpus)
    with no_worker_lost():
        strategy = create_strategy(workers, should_stop)
        agreement = Agreement(strategy, should_stop, workers=workers.count)
        cudnn = set_up(config.precision, seed=config.seed)
        require_same_run(strategy, workers, identity(config, manifest))
        with strategy.scope():
            net = build_model(config.model, manifest, cudnn=cudnn)
            adam = optimizer(net, config, steps=plan.steps)
        steps = Steps(
            *(strategy, net, adam),
            objective=config.objective,
            clip_norm=config.clip_norm,
            batch_windows=config.batch_windows,
            agreement=agreement,
        )
        retention = Retention(config.checkpoint.keep, every_epochs=config.checkpoint.keep_every_epochs)
        checkpoints = Checkpoints(folder, retention=retention, scratch=scratch)
        start = set_first_weights(
            net, adam, checkpoints, config, manifest, strategy=strategy, workers=workers, scratch=scratch
        )
        log.info(
            "%d parameters, %d steps of %d characters, %d done",
            *(net.count_params(), plan.steps, plan.chars_per_step, start.step),
        )
        if not workers.chief:
            logging.getLogger(Checkpoints.__module__).setLevel(logging.WARNING)  # it saves nothing
        every = window_step(config.objective, manifest)
        own = OwnStart(folder, step=start.step, machine=machine())
        # Each worker reads the rows for itself: they change only after a step that takes all of them.
        metrics = Metrics(folder, step=start.step, scratch=scratch, start=own.name)
        metrics.hyperparameters(hyperparameters(config))
        samples = SampleWriter(net, held_out, manifest.symbols(), config, should_stop, show=metrics.samples)
        profile = Profile(
            metrics.folder, first=config.profile.first, steps=config.profile.steps, left=plan.steps - start.step
        )
        training_loop = loop.Loop(
            plan=plan,
            order=order,
            windows=training,
            model=net,
            optimizer=adam,
            steps=steps,
            saver=Saver(
                *(folder, checkpoints, metrics),
                give_up_seconds=config.checkpoint.give_up_seconds,
                alive=watch,
                saved=saved if workers.chief else lambda _: None,
            ),
            metrics=metrics,
            progress=TrainingProgress(start=start.step, steps=plan.steps, chars_per_step=plan.chars_per_step),
            profile=profile.step,
            validate=lambda: evaluate(steps, held_out, step=every, should_stop=agreement),
            write_samples=written_by_the_chief(samples, agreement, chief=workers.chief),
            should_stop=agreement,
            log_every_steps=config.log_every_steps,
            checkpoint_every_seconds=config.checkpoint.every_seconds if workers.chief else math.inf,
            step=start.step,
            losses=start.losses,
            validation=start.validation,
        )
        stop.save_first(training_loop.saved)
        watch.tell(own.stalled)
        # No worker leaves before the chief has saved: should that fail, all have to be there to start again.
        with (
            serve_run(training_loop, folder, watch, port=config.metrics_port, saves=workers.chief),
            own.told(lambda: training_loop.step, asked_by=lambda: stop.signal),
            agreement.leaving_together(),
        ):
            training_loop.run()


def written_by_the_chief(
    samples: SampleWriter, agreement: Agreement, *, chief: bool
) -> Callable[[int, int], Mapping[str, bytes]]:
    """The same for each worker to call; those that are not the chief wait for it and have none."""

    def write(epoch: int, step: int) -> Mapping[str, bytes]:
        with agreement.leaving_together():
            written = samples(epoch, step) if chief else {}
        if agreement():
            raise Stopped
        return written

    return write


def refuse_too_little_room(config: TrainConfig, order: Order, manifest: Manifest) -> None:
    """InputError if the copies of the shards that one step may need are more than `staging.max_bytes`."""
    needed = order.windows_at_once * manifest.record_bytes
    if needed > config.staging.max_bytes:
        raise InputError(
            f"staging.max_bytes={config.staging.max_bytes}: a step may need {needed} bytes of shards, two blocks of "
            f"block_windows={config.block_windows} or of the largest shard: raise the one or lower the other"
        )


def optimizer(net: keras.Model, config: TrainConfig, *, steps: int) -> Any:
    """The configured one for the model, in the scope of whose strategy it is to be made."""
    adam = network.optimizer(
        learning_rate=config.learning_rate, schedule=config.schedule, warmup_steps=config.warmup_steps, steps=steps
    )
    adam.build(net.trainable_variables)
    return adam
