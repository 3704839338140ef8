"""Train or evaluate a detector of reviews that a run's model generated.

    python -m jobs.detect train RUN --to detector.json
    python -m jobs.detect train RUN --to gs://bucket/detector.json --reviews 'mine/*.jsonl' --false-positive-rate 0.005
    python -m jobs.detect evaluate RUN detector.json --foreign OTHER_RUN
    python -m jobs.detect evaluate RUN detector.json --json

`train` generates --count reviews at each of --diversities. Its genuine reviews are the validation split of the run's
dataset, or your own --reviews in the formats of jobs.score. For each of --lengths it fits a logistic regression to
the bits and the ranks of the characters under the model. At most the share --false-positive-rate of the genuine
reviews is above its threshold. The detector is a JSON file for this checkpoint alone, for jobs.score --detector.

`evaluate` uses the test split and another seed. It also tries generators that the detector has not seen: an n-gram
model of the training split, and each --foreign run. It prints a table. The page detection.html beside the detector has
the table, plots, and texts colored by rank.
"""

import argparse
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, PositiveFloat, PositiveInt

from jobs.cli import command
from jobs.cli.command import checked
from preprocessing.errors import InputError
from preprocessing.extras import require_extra
from preprocessing.json_format import format_json
from preprocessing.settings import Seed
from preprocessing.sources.review import Columns
from preprocessing.storage.urls import split_url
from trainer.runs.folder import open_run
from trainer.scoring.detector import read_detector

if TYPE_CHECKING:
    from trainer.detection.review_scorer import ReviewSettings

log = logging.getLogger(__name__)

PAGE = "detection.html"
Rate = Annotated[float, Field(gt=0, lt=1)]
LENGTHS = (100, 200, 400, 800)
# Training leaves out diversity 1: the model finds such text as likely as genuine text, which would only blur the fit.
TRAIN_DIVERSITIES, EVALUATE_DIVERSITIES = (0.2, 0.4, 0.6, 0.8), (0.2, 0.4, 0.6, 0.8, 1.0)


def main(argv: Sequence[str] | None = None) -> None:
    parser = command.parser(__doc__)
    actions = parser.add_subparsers(dest="action", required=True, metavar="train|evaluate")
    train = actions.add_parser("train", help="train a detector")
    train.add_argument("run", metavar="RUN")
    train.add_argument("--to", metavar="URL", required=True, help="the JSON file to write")
    rate = "share of genuine reviews that may be above the threshold (default 0.01)"
    train.add_argument("--false-positive-rate", type=checked(Rate), default=0.01, help=rate)
    lengths = "numbers of characters at the beginning that are judged (default 100 200 400 800)"
    train.add_argument("--lengths", type=checked(PositiveInt), nargs="+", default=LENGTHS, help=lengths)
    evaluate = actions.add_parser("evaluate", help="evaluate a detector")
    evaluate.add_argument("run", metavar="RUN")
    evaluate.add_argument("detector", metavar="DETECTOR", help="URL of the detector")
    evaluate.add_argument("--foreign", metavar="RUN", action="append", default=[], help="another generator; repeatable")
    evaluate.add_argument("--json", action="store_true", help="JSON instead of the table")
    for each, diversities, seed in ((train, TRAIN_DIVERSITIES, 1), (evaluate, EVALUATE_DIVERSITIES, 2)):
        values = f"temperatures, above 0, or all reviews would be the same (default {diversities})"
        each.add_argument("--reviews", metavar="URL", nargs="+", default=[], help="genuine reviews of your own")
        command.add_columns(each)
        each.add_argument(
            "--count", type=checked(PositiveInt), default=200, help="generated per diversity (default 200)"
        )
        each.add_argument("--diversities", type=checked(PositiveFloat), nargs="+", default=diversities, help=values)
        each.add_argument("--seed", type=checked(Seed), default=seed, help=f"same seed, same reviews (default {seed})")
    args = parser.parse_args(argv)
    (_train if args.action == "train" else _evaluate)(args)


def _train(args: argparse.Namespace) -> None:
    require_extra("detect")
    folder, name = split_url(args.to)
    run = open_run(args.run)

    from trainer.detection.fit import train_detector

    lengths = sorted(set(args.lengths))
    detector = train_detector(run, _settings(args), lengths=lengths, false_positive_rate=args.false_positive_rate)
    folder.write(name, detector.to_json())
    for classifier in detector.lengths:
        log.info(
            "%d characters: fitted to %d genuine and %d generated reviews",
            *(classifier.chars, classifier.genuine, classifier.generated),
        )
    print(args.to)


def _evaluate(args: argparse.Namespace) -> None:
    require_extra("detect")
    require_extra("describe")  # for the page
    run, detector = open_run(args.run), read_detector(args.detector)

    from jobs.pages.detection import detection_page
    from jobs.terminal.detection import LIMITS, rates_json, rates_note, rates_table
    from trainer.detection.evaluate import evaluate, generate_sources
    from trainer.detection.review_scorer import ReviewScorer
    from trainer.scoring.scored_reviews import TextCodec

    scorer = ReviewScorer(run)
    detector.require_checkpoint(scorer.checkpoint, where=args.detector)
    settings = _settings(args)
    genuine = scorer.score_genuine(settings, "test")
    longest = max(classifier.chars for classifier in detector.lengths)
    generated = list(generate_sources(scorer, settings, chars=longest, foreign=args.foreign))
    rows = list(evaluate(detector, genuine, generated, seed=args.seed))
    if not rows:
        raise InputError(f"{args.detector}: no genuine and generated texts of its lengths: give more with --reviews")
    folder, name = split_url(args.detector)
    page = folder.url.rstrip("/") + "/" + PAGE
    folder.write(PAGE, detection_page(name, detector, genuine, generated, rows, TextCodec(run.manifest)))
    if args.json:
        print(format_json({"page": page, "rows": rates_json(rows)}))
        return
    print("\n".join([*rates_table(rows), "", rates_note(rows), "", *LIMITS]))
    log.info("%s", page)


def _settings(args: argparse.Namespace) -> "ReviewSettings":
    from trainer.detection.review_scorer import ReviewSettings

    columns = Columns(args.text_column, args.id_column)
    return ReviewSettings(args.count, tuple(sorted(set(args.diversities))), args.seed, tuple(args.reviews), columns)


if __name__ == "__main__":
    command.run(main)
