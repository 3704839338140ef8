"""Makes a run's newest checkpoint the model in production, if it is better than the one that is.

    python -m jobs.promote RUN --to MODELS --set split=test       judges the run, and promotes it or not
    python -m jobs.promote --to MODELS --history                  one line for each promotion, newest first
    python -m jobs.promote --to MODELS --rollback                 what production replaced is production again

RUN and MODELS are URLs of folders. Candidate and production, at exactly the checkpoint that was promoted, predict
the same characters of the same split; `min_gain_bits` fewer bits per character are needed. The first model is
promoted as it is; with --force so is any. MODELS/reports says of each candidate what was decided and why. Whatever
that is, the exit code is 0; it is 1 if another promotion came between, and then nothing was changed.
"""

import logging
from collections.abc import Sequence
from typing import Literal

from pydantic import NonNegativeFloat, PositiveInt
from pydantic.dataclasses import dataclass

from jobs.cli import command
from jobs.promotion.registry import Model, Models
from jobs.terminal.table import format_table
from preprocessing.dataset.folder import open_dataset
from preprocessing.errors import InputError
from preprocessing.settings import STRICT, key
from trainer.runs.folder import open_run

log = logging.getLogger(__name__)


@dataclass(frozen=True, config=STRICT, kw_only=True)
class PromoteConfig:
    """Configuration of jobs.promote."""

    dataset: str = key("", "URL of the dataset to judge on; empty: the dataset that the candidate was trained on")
    split: Literal["train", "validation", "test"] = key(
        "test", "split to judge on: train, validation or test; no run has seen test or chosen a checkpoint by it"
    )
    batch_windows: PositiveInt = key(128, "windows in one step; changes only the last digits of the result")
    min_gain_bits: NonNegativeFloat = key(
        0.01, "bits per character; one model differs by 0.007 between two held-out parts of 10,000 reviews"
    )


def main(argv: Sequence[str] | None = None) -> None:
    arguments = command.parser(__doc__)
    arguments.add_argument("run", nargs="?", metavar="RUN")
    arguments.add_argument("--to", required=True, metavar="MODELS")
    arguments.add_argument("--force", action="store_true", help="promote without comparison")
    arguments.add_argument("--history", action="store_true", help="list the promotions")
    arguments.add_argument("--rollback", action="store_true", help="go back to what production replaced")
    config, asked, rest = command.configured(arguments, PromoteConfig, argv)
    command.refuse(rest)
    if (asked.run is not None) + asked.history + asked.rollback != 1 or (asked.force and asked.run is None):
        raise InputError("expected one of RUN, --history and --rollback, and --force only with RUN")
    models = Models(asked.to)
    if asked.history:
        for line in format_table(">>><<", [_line(model) for model in models.history]):
            print(line)
    elif asked.rollback:
        model = models.roll_back()
        log.info("number %d, %s, is production: %s", model.number, model.run, model.reason)
    else:
        promote(asked.run, models, config, force=asked.force)


def promote(url: str, models: Models, config: PromoteConfig, *, force: bool = False) -> None:
    """Judges the run at this URL, and promotes it or not; Conflict, with nothing changed, if another was first."""
    run = open_run(url)
    dataset = open_dataset(config.dataset or run.config.dataset)
    run.refuse_other_symbols(dataset)
    # TensorFlow takes seconds to import: not before the arguments are checked.
    from jobs.promotion import promote as promotion

    promotion.promote(
        *(run, dataset, models),
        split=config.split,
        batch_windows=config.batch_windows,
        min_gain_bits=config.min_gain_bits,
        force=force,
    )


def _line(model: Model) -> tuple[str, ...]:
    return str(model.number), model.promoted, f"{model.bits_per_char:.4f}", model.run, model.reason


if __name__ == "__main__":
    command.run(main)
