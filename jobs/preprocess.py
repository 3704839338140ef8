"""Preprocess reviews into a dataset of TFRecord character windows.

    python -m jobs.preprocess --set input=URL --set output=URL [Beam options]

A URL is a local path or gs://bucket/path. Options that are no keys go to Beam: --runner=DataflowRunner and its
options. If OUTPUT holds the dataset of this input with these settings, there is nothing to do. Otherwise the new
shards are written beside the old shards, one write replaces the manifest, and then the old shards are deleted.
Lines that are no reviews go to OUTPUT/rejected, each with its line number and reason.
"""

import logging
import time
from collections.abc import Sequence

from jobs.cli import command
from jobs.terminal.table import format_table
from preprocessing.dataset.manifest import Manifest
from preprocessing.errors import Stopped
from preprocessing.pipeline.build import build_dataset
from preprocessing.pipeline.recipe import PreprocessConfig
from trainer.runtime.stop import leave_at_once

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> None:
    config, _, beam_options = command.parse_beam_args(command.parser(__doc__), PreprocessConfig, argv)
    preprocess(config, beam_options)


def preprocess(config: PreprocessConfig, beam_options: Sequence[str]) -> None:
    """Build the dataset and log its counts. End the process on SIGTERM, after the build's folder is deleted."""
    started = time.monotonic()
    try:
        manifest = build_dataset(config, beam_options)
    except Stopped:
        leave_at_once()  # at once, or one of the runner's threads would write another file
    if manifest:
        report(manifest, config.output, time.monotonic() - started)


def report(manifest: Manifest, url: str, seconds: float) -> None:
    """Log how many lines became reviews, and each split's size."""
    counts = manifest.counts
    log.info(
        "%d lines read = %d reviews kept + %d duplicate + %d rejected; %d characters dropped",
        *(counts["read"], counts["kept"], counts["duplicate"], manifest.rejected, sum(counts["dropped"].values())),
    )
    columns = ("reviews", "characters", "windows")
    rows = [(name, *(f"{split[column]:,}" for column in columns)) for name, split in manifest.splits.items()]
    for line in format_table("<>>>", [("", *columns), *rows]):
        log.info(line)
    log.info("%s: %d shards, %d symbols, %.1f s", url, len(manifest.shards), len(manifest.vocabulary), seconds)


if __name__ == "__main__":
    command.run(main)
