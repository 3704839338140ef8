"""Evaluate a checkpoint of a run on a split of a dataset, and print its loss as one JSON line.

    python -m jobs.evaluate RUN --set dataset=URL --set split=test

RUN is the URL of a run's folder.
"""

import time
from collections.abc import Sequence
from typing import Literal

from pydantic import PositiveInt
from pydantic.dataclasses import dataclass

from jobs.cli import command
from preprocessing.json_format import format_json
from preprocessing.settings import STRICT, key
from trainer.config import CheckpointChoice
from trainer.runs.folder import open_run, open_run_dataset


@dataclass(frozen=True, config=STRICT, kw_only=True)
class EvaluateConfig:
    """Configuration of jobs.evaluate."""

    dataset: str = key("", "URL of a dataset with the run's vocabulary; empty: the dataset that the run was trained on")
    split: Literal["train", "validation", "test"] = key("test", "split to predict: train, validation or test")
    checkpoint: CheckpointChoice = key("newest", "newest, best (by validation loss) or a step")
    batch_windows: PositiveInt = key(128, "windows in a step, and lanes of carried state; changes the result a little")


def main(argv: Sequence[str] | None = None) -> None:
    parser = command.parser(__doc__)
    parser.add_argument("run", metavar="RUN")
    config, args = command.parse_args(parser, EvaluateConfig, argv)
    run = open_run(args.run)
    dataset = open_run_dataset(run, config.dataset)

    # TensorFlow takes seconds to import: import it only after the arguments are checked.
    from trainer.runs.checkpoints import read_chosen
    from trainer.training.evaluation import evaluate_split

    began = time.monotonic()
    entry, arrays = read_chosen(run.bucket, config.checkpoint)
    carried, windows = (
        evaluate_split(
            *(run, arrays, dataset),
            split=config.split,
            batch_windows=config.batch_windows,
            objective=run.config.objective,
            carry=carry,
        )
        for carry in (True, False)
    )
    line = {
        "split": config.split,
        "step": entry.step,
        "nats_per_char": carried.loss,
        "bits_per_char": carried.bits_per_char,
        "bits_per_char_windows": windows.bits_per_char,
        "chars": carried.chars,
        "seconds": round(time.monotonic() - began, 1),
    }
    print(format_json(line))


if __name__ == "__main__":
    command.run(main)
