"""Promote a run's newest checkpoint to production if it is better than the model in production.

    python -m jobs.promote RUN --to MODELS --set split=test       evaluate the run, and promote it or not
    python -m jobs.promote --to MODELS --history                  print one line for each promotion, newest first
    python -m jobs.promote --to MODELS --rollback                 go back to the model before the one in production

RUN and MODELS are URLs of folders. Candidate and production predict the same characters of the same split, production
at the checkpoint that was promoted. The candidate needs `min_gain_bits` fewer bits per character. The first model is
promoted without comparison, and so is any model with --force. MODELS/reports has the decision on each candidate and its
reason. The exit code is 0 whatever the decision. It is 1 if another promotion came first; then nothing was changed.
"""

import logging
from collections.abc import Sequence
from typing import Literal

from pydantic import NonNegativeFloat, PositiveInt
from pydantic.dataclasses import dataclass

from jobs.cli import command
from jobs.promotion.registry import ModelRegistry, PromotedModel
from jobs.terminal.table import format_table
from preprocessing.errors import InputError
from preprocessing.settings import STRICT, key
from trainer.config import CheckpointChoice
from trainer.runs.folder import open_run, open_run_dataset

log = logging.getLogger(__name__)


@dataclass(frozen=True, config=STRICT, kw_only=True)
class PromoteConfig:
    """Configuration of jobs.promote."""

    dataset: str = key("", "URL of the dataset to judge on; empty: the dataset that the candidate was trained on")
    split: Literal["train", "validation", "test"] = key(
        "test", "split to judge on: train, validation or test; no run has seen test or chosen a checkpoint by it"
    )
    checkpoint: CheckpointChoice = key("newest", "newest, best (by validation loss) or a step")
    batch_windows: PositiveInt = key(128, "windows in a step, and lanes of carried state; changes the result a little")
    min_gain_bits: NonNegativeFloat = key(
        0.01, "bits per character; one model differs by 0.007 between two held-out parts of 10,000 reviews"
    )


def main(argv: Sequence[str] | None = None) -> None:
    parser = command.parser(__doc__)
    parser.add_argument("run", nargs="?", metavar="RUN")
    parser.add_argument("--to", required=True, metavar="MODELS")
    parser.add_argument("--force", action="store_true", help="promote without comparison")
    parser.add_argument("--history", action="store_true", help="list the promotions")
    parser.add_argument("--rollback", action="store_true", help="go back to the model that production replaced")
    config, args = command.parse_args(parser, PromoteConfig, argv)
    if (args.run is not None) + args.history + args.rollback != 1 or (args.force and args.run is None):
        raise InputError("expected one of RUN, --history and --rollback, and --force only with RUN")
    registry = ModelRegistry(args.to)
    if args.history:
        for line in format_table(">>><<", [_line(model) for model in registry.history]):
            print(line)
    elif args.rollback:
        model = registry.roll_back()
        log.info("number %d, %s, is production: %s", model.number, model.run, model.reason)
    else:
        promote(args.run, registry, config, force=args.force)


def promote(url: str, registry: ModelRegistry, config: PromoteConfig, *, force: bool = False) -> None:
    """Evaluate the run at this URL, and promote it or not.

    Raises Conflict, with nothing changed, if another promotion came first.
    """
    run = open_run(url)
    dataset = open_run_dataset(run, config.dataset)
    # TensorFlow takes seconds to import: import it only after the arguments are checked.
    from jobs.promotion.promote import promote_if_better

    promote_if_better(
        *(run, dataset, registry),
        checkpoint=config.checkpoint,
        split=config.split,
        batch_windows=config.batch_windows,
        min_gain_bits=config.min_gain_bits,
        force=force,
    )


def _line(model: PromotedModel) -> tuple[str, ...]:
    return str(model.number), model.promoted, f"{model.bits_per_char:.4f}", model.run, model.reason


if __name__ == "__main__":
    command.run(main)
