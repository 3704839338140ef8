"""Train a model on a dataset, with checkpoints, validation and samples in runs/NAME.

    python -m jobs.train --run NAME --set dataset=URL --set runs=URL

The same command again continues the run from its last checkpoint. If the run is complete, there is nothing to do.
SIGTERM or Ctrl-C saves a checkpoint and ends with exit code 143. A run that hangs ends with exit code 1, for a retry.

Several workers can train one run together. trainer.runtime.workers lists the environment variables for this. Worker 0
alone writes. It sends the initial weights to the other workers, so that all start from the same checkpoint.
"""

import os
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from jobs.cli import command
from jobs.pages.write import ReportWriter
from preprocessing.dataset.folder import open_dataset
from preprocessing.errors import InputError
from preprocessing.storage.retry import RetryingBucket
from trainer.config import TrainConfig
from trainer.data.staging import stage
from trainer.runs.folder import begin_run
from trainer.runtime.stop import StopFlag
from trainer.runtime.watchdog import run_watchdog
from trainer.runtime.workers import read_workers


def main(argv: Sequence[str] | None = None) -> None:
    parser = command.parser(__doc__)
    parser.add_argument("--run", required=True, metavar="NAME")
    config, args = command.parse_args(parser, TrainConfig, argv)
    train(config, args.run)


def train(config: TrainConfig, name: str) -> None:
    """Begin or continue the run of this name, to its end. Raises Stopped after SIGTERM or Ctrl-C, with all saved."""
    stop = StopFlag(config.grace_seconds)
    workers = read_workers(os.environ)
    # A fetch may still wait for its store at the end. It must not change the exit code.
    with (
        tempfile.TemporaryDirectory(prefix="train-", ignore_cleanup_errors=True) as scratch,
        run_watchdog(config.stall_seconds) as watchdog,
    ):
        retrying = partial(RetryingBucket, seconds=config.checkpoint.give_up_seconds, alive=watchdog.reset)
        dataset = open_dataset(config.dataset, wrap=retrying)
        windows = dataset.manifest.splits["train"]["windows"]
        if config.batch_windows > windows:
            raise InputError(f"batch_windows={config.batch_windows}: the dataset has only {windows} training windows")
        folder = begin_run(config.runs, name, config, dataset.manifest, writes=workers.chief, wrap=retrying)
        reports = ReportWriter(folder.url, config.report)

        def should_stop_waiting() -> bool:
            """Return whether to leave a wait for shards. One of several workers must not leave: the others would hang
            in the middle of a step, and none could save. Its wait ends with the grace period."""
            return workers.count == 1 and stop()

        with stage(
            dataset, Path(scratch), max_bytes=config.staging.max_bytes, should_stop=should_stop_waiting
        ) as staging:
            # TensorFlow takes seconds to import: import it only after everything else is checked.
            from trainer.training.train import TrainingJob, run_training

            run_training(
                TrainingJob(
                    *(config, dataset, staging, folder, Path(scratch), workers, stop, watchdog),
                    after_save=reports.after_save,
                )
            )
    if workers.chief:
        reports.after_end()


if __name__ == "__main__":
    command.run(main)
