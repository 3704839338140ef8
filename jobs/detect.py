"""A detector of reviews that a run's model generated.

    python -m jobs.detect train RUN --to detector.json
    python -m jobs.detect train RUN --to gs://bucket/detector.json --reviews 'mine/*.jsonl' --false-positive-rate 0.005
    python -m jobs.detect evaluate RUN detector.json --foreign OTHER_RUN
    python -m jobs.detect evaluate RUN detector.json --json

`train` has the model write --count reviews at each of --diversities, takes as genuine ones the validation split of
the run's dataset (or --reviews of your own, as jobs.score reads them), and fits for each of --lengths a logistic
regression on what the model says of the characters: their bits, their ranks. Of the genuine reviews at most
--false-positive-rate are above its threshold. The file is JSON, for this checkpoint alone: jobs.score --detector
takes it.

`evaluate` does the same with the test split and another seed, also with generators that the detector has not seen: an
n-gram model of the training split and each --foreign run. It prints a table and writes it, with plots and texts
coloured by rank, to detection.html beside the detector.
"""

import argparse
import json
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, PositiveFloat, PositiveInt

from jobs.cli import command
from jobs.cli.command import checked
from preprocessing.errors import InputError
from preprocessing.settings import Seed
from preprocessing.storage.urls import split_url
from trainer.runs.folder import open_run
from trainer.scoring.detector import read_detector

if TYPE_CHECKING:
    from trainer.detection import evaluate as detection

log = logging.getLogger(__name__)

PAGE = "detection.html"
Rate = Annotated[float, Field(gt=0, lt=1)]
LENGTHS = (100, 200, 400, 800)
# Not 1 for training: there the model writes as it expects people to write, and what cannot be told only blurs the rest.
TRAINED, EVALUATED = (0.2, 0.4, 0.6, 0.8), (0.2, 0.4, 0.6, 0.8, 1.0)


def main(argv: Sequence[str] | None = None) -> None:
    arguments = command.parser(__doc__)
    actions = arguments.add_subparsers(dest="action", required=True, metavar="train|evaluate")
    train = actions.add_parser("train", help="make a detector")
    train.add_argument("run", metavar="RUN")
    train.add_argument("--to", metavar="URL", required=True, help="the JSON file to write")
    rate = "share of genuine reviews that may be above the threshold (default 0.01)"
    train.add_argument("--false-positive-rate", type=checked(Rate), default=0.01, help=rate)
    lengths = "characters from a text's beginning that are judged (default 100 200 400 800)"
    train.add_argument("--lengths", type=checked(PositiveInt), nargs="+", default=LENGTHS, help=lengths)
    evaluate = actions.add_parser("evaluate", help="try one")
    evaluate.add_argument("run", metavar="RUN")
    evaluate.add_argument("detector", metavar="DETECTOR", help="URL of what train wrote")
    evaluate.add_argument("--foreign", metavar="RUN", action="append", default=[], help="another generator; repeatable")
    evaluate.add_argument("--json", action="store_true", help="JSON instead of the table")
    for each, diversities, seed in ((train, TRAINED, 1), (evaluate, EVALUATED, 2)):
        values = f"temperatures, above 0, or all reviews would be the same (default {diversities})"
        each.add_argument("--reviews", metavar="URL", nargs="+", default=[], help="genuine reviews of your own")
        each.add_argument(
            "--count", type=checked(PositiveInt), default=200, help="generated per diversity (default 200)"
        )
        each.add_argument("--diversities", type=checked(PositiveFloat), nargs="+", default=diversities, help=values)
        each.add_argument("--seed", type=checked(Seed), default=seed, help=f"same seed, same reviews (default {seed})")
    asked = arguments.parse_args(argv)
    (_train if asked.action == "train" else _evaluate)(asked)


def _train(asked: argparse.Namespace) -> None:
    folder, name = split_url(asked.to)
    run = open_run(asked.run)

    from trainer.detection.evaluate import train

    found = train(run, _asked(asked), lengths=sorted(set(asked.lengths)), false_positive_rate=asked.false_positive_rate)
    folder.write(name, found.to_json())
    for at in found.lengths:
        log.info("%d characters: of %d genuine and %d generated reviews", at.chars, at.genuine, at.generated)
    print(asked.to)


def _evaluate(asked: argparse.Namespace) -> None:
    run, by = open_run(asked.run), read_detector(asked.detector)

    from jobs.pages.detection import detection_page
    from jobs.terminal.detection import LIMITS, rates_json, rates_note, rates_table
    from trainer.detection import evaluate as detection
    from trainer.scoring.reviews import Alphabet

    judge = detection.Judge(run)
    by.check(judge.checkpoint, where=asked.detector)
    what = _asked(asked)
    genuine = judge.genuine(what, "test")
    longest = max(at.chars for at in by.lengths)
    generated = list(detection.sources(judge, what, chars=longest, foreign=asked.foreign))
    rows = list(detection.rows(by, genuine, generated, seed=asked.seed))
    if not rows:
        raise InputError(f"{asked.detector}: no genuine and generated texts of its lengths: give more with --reviews")
    folder, name = split_url(asked.detector)
    page = folder.url.rstrip("/") + "/" + PAGE
    folder.write(PAGE, detection_page(name, by, genuine, generated, rows, Alphabet(run.manifest)))
    if asked.json:
        print(json.dumps({"page": page, "rows": rates_json(rows)}))
        return
    print("\n".join([*rates_table(rows), "", rates_note(rows), "", *LIMITS]))
    log.info("%s", page)


def _asked(asked: argparse.Namespace) -> "detection.Asked":
    from trainer.detection import evaluate as detection

    return detection.Asked(asked.count, tuple(sorted(set(asked.diversities))), asked.seed, tuple(asked.reviews))


if __name__ == "__main__":
    command.run(main)
