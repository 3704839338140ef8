"""A model from a dataset: trains, checkpoints, validates and samples, in runs/NAME.

    python -m jobs.train --run NAME --set dataset=URL --set runs=URL

The same command again continues the run from its last checkpoint, or finds that there is nothing left to do.
SIGTERM, or Ctrl-C, saves and ends with exit code 143; a run that hangs ends with 1, for a retry.

Several workers train one run together: trainer.runtime.workers says which variables of the environment make them one.
All but worker 0 only read; it sends them the first weights, so that all start from the same checkpoint.
"""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from jobs.cli import command
from jobs.pages.write import ReportWriter
from jobs.terminal.progress import progress
from preprocessing.dataset.folder import open_dataset
from preprocessing.errors import InputError
from trainer.config import TrainConfig
from trainer.data.staging import stage
from trainer.runs import folder as run
from trainer.runtime.stop import Stop
from trainer.runtime.watchdog import watched
from trainer.runtime.workers import from_environment


def main(argv: Sequence[str] | None = None) -> None:
    arguments = command.parser(__doc__)
    arguments.add_argument("--run", required=True)
    config, asked, rest = command.configured(arguments, TrainConfig, argv)
    command.refuse(rest)
    train(config, asked.run)


def train(config: TrainConfig, name: str) -> None:
    """Begins the run of this name, or continues it, to its end; Stopped, with all saved, after SIGTERM or Ctrl-C."""
    stop = Stop(config.grace_seconds)
    workers = from_environment(os.environ)
    dataset = open_dataset(config.dataset)
    windows = dataset.manifest.splits["train"]["windows"]
    if config.batch_windows > windows:
        raise InputError(f"batch_windows={config.batch_windows}: the dataset has only {windows} training windows")
    folder = run.begin(config.runs, name, config, dataset.manifest, writes=workers.chief)

    reports = ReportWriter(folder.url, config.report)

    def alone_asked() -> bool:
        """Whether to leave a wait for data, which is no progress: one of several workers would leave the others in
        the midst of a step, and none could save; for it the wait ends with the grace."""
        return workers.count == 1 and stop()

    # A fetch that waits for its store does so beyond the end, and must not change how this ends.
    with (
        tempfile.TemporaryDirectory(prefix="train-", ignore_cleanup_errors=True) as scratch,
        watched(config.stall_seconds) as watch,
        stage(dataset, Path(scratch), max_bytes=config.staging.max_bytes, should_stop=alone_asked) as staging,
    ):
        # TensorFlow takes seconds to import: not before all that can be wrong without it is checked.
        from trainer.training import train as training

        training.train(
            *(config, dataset, staging, folder),
            scratch=Path(scratch),
            stop=stop,
            watch=watch,
            saved=reports.after_save,
            show_progress=progress,
            workers=workers,
        )
    if workers.chief:
        reports.after_end()


if __name__ == "__main__":
    command.run(main)
