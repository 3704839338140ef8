"""A model from a dataset: trains, checkpoints, validates and samples, in runs/NAME.

    python -m jobs.train --run NAME --set dataset=URL --set runs=URL

The same command again continues the run from its last checkpoint, or finds that there is nothing left to do.
SIGTERM, or Ctrl-C, saves and ends with exit code 143; a run that hangs ends with 1, for a retry.

Several workers train one run together: jobs.workers says which variables of the environment make them one. All
but worker 0 only read; it sends them the first weights, so that all start from the same checkpoint.
"""

import logging
import math
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from jobs import command, run, schema
from jobs.dataset import Dataset, open_dataset
from jobs.stop import Stop
from jobs.storage import Bucket
from jobs.workers import Workers, workers
from preprocessing.errors import InputError
from trainer.staging import Staging
from trainer.stall import watched
from trainer.stop import Stopped

log = logging.getLogger(__name__)

DEFAULT = Path(__file__).with_name("train.yaml")


def main(argv: Sequence[str] | None = None) -> None:
    config, flags, rest = command.configured(__doc__, schema.Train, DEFAULT, argv, flags=["--run"])
    command.refuse(rest)
    stop = Stop(config.grace_seconds)
    who = workers(os.environ)
    dataset = open_dataset(config.dataset)
    windows = dataset.manifest.splits["train"]["windows"]
    if config.batch_windows > windows:
        raise InputError(f"batch_windows={config.batch_windows}: the dataset has only {windows} training windows")
    folder = run.begin(config.runs, flags.run, config, dataset.manifest, writes=who.chief)
    # A fetch that waits for its store does so beyond the end, and must not change how this ends.
    with (
        tempfile.TemporaryDirectory(prefix="train-", ignore_cleanup_errors=True) as scratch,
        watched(config.stall_seconds) as alive,
        # Asked without `alive`: a wait for data is no progress.
        dataset.staging(Path(scratch), max_bytes=config.staging.max_bytes, should_stop=stop) as staging,
    ):
        train(config, dataset, staging, folder, Path(scratch), stop, alive, who)


def train(
    config: schema.Train,
    dataset: Dataset,
    staging: Staging,
    folder: Bucket,
    scratch: Path,
    stop: Stop,
    alive: Callable[[], None],
    who: Workers,
) -> None:
    """Wires the run together and runs it to its end."""
    # TensorFlow takes seconds to import: not before all that can be wrong without it is checked.
    from jobs.progress import progress
    from jobs.start import begin, build, replicas, set_up
    from jobs.write_samples import SampleWriter
    from trainer import loop, model
    from trainer.agreement import Agreement
    from trainer.checkpoints import Checkpoints
    from trainer.data import Windows
    from trainer.evaluation import evaluate, window_step
    from trainer.metrics import Metrics
    from trainer.order import Order
    from trainer.pointer import Retention
    from trainer.replicas import no_worker_lost
    from trainer.saver import Saver
    from trainer.steps import Steps

    def should_stop() -> bool:
        """Asked before each step, batch and sampled character."""
        alive()
        return stop()

    manifest = dataset.manifest
    training = Windows(dataset.shards("train"), manifest, staging.mapped)
    held_out = Windows(dataset.shards("validation"), manifest, staging.mapped)
    order = Order(
        training.counts, batch_windows=config.batch_windows, block_windows=config.block_windows, seed=config.seed
    )
    needed = order.windows_at_once * manifest.record_bytes
    if dataset.copied and needed > config.staging.max_bytes:
        raise InputError(
            f"staging.max_bytes={config.staging.max_bytes}: a step may need {needed} bytes of shards, two blocks of "
            f"block_windows={config.block_windows} or of the largest shard: raise the one or lower the other"
        )
    predicted = manifest.window_chars if config.objective == "every" else 1
    chars_per_step = config.batch_windows * predicted
    plan = loop.plan(order, epochs=config.epochs, max_chars=config.max_chars, chars_per_step=chars_per_step)

    with no_worker_lost():
        strategy = replicas(who, should_stop)
        agreement = Agreement(strategy, should_stop, workers=who.count)
        cudnn = set_up(config.precision, seed=config.seed)
        with strategy.scope():
            net = build(config.model, manifest, cudnn=cudnn)
            adam = model.optimizer(
                learning_rate=config.learning_rate,
                schedule=config.schedule,
                warmup_steps=config.warmup_steps,
                steps=plan.steps,
            )
            adam.build(net.trainable_variables)
        steps = Steps(
            strategy,
            net,
            adam,
            objective=config.objective,
            clip_norm=config.clip_norm,
            batch_windows=config.batch_windows,
            agreement=agreement,
        )
        retention = Retention(config.checkpoint.keep, every_epochs=config.checkpoint.keep_every_epochs)
        checkpoints = Checkpoints(folder, retention=retention, scratch=scratch)
        start = begin(net, adam, checkpoints, config, manifest, strategy=strategy, who=who, scratch=scratch)
        log.info(
            "%d parameters, %d steps of %d characters, %d done",
            *(net.count_params(), plan.steps, chars_per_step, start.step),
        )
        if not who.chief:
            logging.getLogger(Checkpoints.__module__).setLevel(logging.WARNING)  # it saves nothing
        every = window_step(config.objective, window_chars=manifest.window_chars, stride_chars=manifest.stride_chars)
        # Each worker reads the rows for itself: they change only after a step that takes all of them.
        metrics = Metrics(folder, step=start.step, scratch=scratch)
        samples = SampleWriter(net, held_out, manifest.symbols(), config, should_stop)

        def write_samples(epoch: int, at: int) -> Mapping[str, bytes]:
            written: Mapping[str, bytes] = {}
            with suppress(Stopped):
                if who.chief:
                    written = samples(epoch, at)
            if agreement.meet():
                raise Stopped
            return written

        training_loop = loop.Loop(
            plan=plan,
            order=order,
            windows=training,
            model=net,
            optimizer=adam,
            steps=steps,
            saver=Saver(folder, checkpoints, metrics, give_up_seconds=config.checkpoint.give_up_seconds, alive=alive),
            metrics=metrics,
            progress=progress(start=start.step, steps=plan.steps, chars_per_step=chars_per_step),
            validate=lambda: evaluate(steps, held_out, step=every, should_stop=agreement),
            write_samples=write_samples,
            should_stop=agreement,
            log_every_steps=config.log_every_steps,
            checkpoint_every_seconds=config.checkpoint.every_seconds if who.chief else math.inf,
            chars_per_step=chars_per_step,
            step=start.step,
            losses=start.losses,
            validation=start.validation,
        )
        stop.save_first(training_loop.saved)
        # No worker leaves before the chief has saved: should that fail, all have to be there to start again.
        try:
            training_loop.run()
        except Stopped:
            agreement.meet()
            raise
        agreement.meet()


if __name__ == "__main__":
    command.run(main)
