"""Score reviews by how well a run's model predicts them. Each review becomes a JSON line.

    python -m jobs.score RUN reviews.jsonl
    python -m jobs.score RUN 'gs://bucket/reviews/*.jsonl.gz' --output gs://bucket/scores.jsonl
    echo 'the food was great.' | python -m jobs.score RUN - --per-char
    python -m jobs.score RUN reviews.csv --detector detector.json
    python -m jobs.score RUN reviews.txt --color
    python -m jobs.score RUN 'gs://bucket/*.jsonl' --output gs://bucket/scores --runner=DataflowRunner ...

RUN is the URL of a run's folder. The reviews have the formats that jobs.preprocess reads: JSON lines with `text` and
`review_id`, CSV, {review}{review}, .gz, .zip and others. A .txt without braces is one review. Name files by path,
gs:// URL or glob; `-` is standard input (the default).

A review is scored as {text}, as in training: in lower case if the dataset is, without symbols outside the vocabulary
(`dropped` counts them). The closing brace is scored too. A line that is not a review becomes a line with `error`.

A line has id, source, line, chars, dropped, bits_per_char, mean_log_rank (natural logarithm) and ranks. `ranks` are the
shares of characters that were the model's 1st, 2nd to 3rd, 4th to 10th or a later choice. With --detector, which
jobs.detect train writes, a line also has a verdict: generated, not detected or too short.

Other options go to Beam, for instance --runner=FnApiRunner. Then Beam's workers score the reviews, and each worker
loads the model once. They write OUTPUT/scores-*.jsonl in no particular order.
"""

import argparse
import logging
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, BinaryIO

from jobs.cli import command
from jobs.terminal.ranks import color_by_rank
from preprocessing.errors import InputError
from preprocessing.extras import require_extra
from preprocessing.progress import report_progress
from preprocessing.sources.review import Columns
from preprocessing.storage.urls import open_for_writing
from trainer.runs.folder import Run, open_run
from trainer.scoring.detector import Detector, read_detector
from trainer.scoring.review_files import STDIN, find_review_files, read_review_files
from trainer.scoring.scored_reviews import (
    LineResult,
    ScoredReview,
    TextCodec,
    UnscoredLine,
    format_json_line,
    score_reviews,
)

log = logging.getLogger(__name__)

MAX_PAGE_REVIEWS = 200  # more make a page that is slow in a browser


def main(argv: Sequence[str] | None = None, stdin: IO[bytes] | None = None) -> None:
    parser = command.parser(__doc__)
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("reviews", metavar="REVIEWS", nargs="*", default=[STDIN], help="URLs or - (default: -)")
    parser.add_argument("--output", metavar="URL", help="a file to write instead of stdout; with Beam a folder")
    parser.add_argument("--per-char", action="store_true", help="also text, bits and rank of each character")
    parser.add_argument("--detector", metavar="URL", help="also a verdict by this detector")
    parser.add_argument("--color", action="store_true", help="print the texts, colored by rank, instead of JSON")
    parser.add_argument("--html", metavar="URL", help="also write the texts, colored by rank, as a page")
    command.add_columns(parser)
    args, beam_options = parser.parse_known_args(argv)
    for option in beam_options:
        near = parser.nearest(option.partition("=")[0].replace("_", "-"))
        if near:
            raise InputError(f"{option}: unknown: did you mean {near}?")
    if args.color and not sys.stdout.isatty():
        raise InputError("--color: stdout is no terminal: use --html FILE")
    if args.html:
        require_extra("describe")
    run = open_run(args.run)
    detector = read_detector(args.detector) if args.detector else None
    if beam_options:
        _score_on_beam(args, run, detector, beam_options)
        return
    with tempfile.TemporaryDirectory(prefix="score-") as scratch:
        _score_here(args, run, detector, stdin or sys.stdin.buffer, Path(scratch))


def _score_here(args: argparse.Namespace, run: Run, detector: Detector | None, stdin: IO[bytes], scratch: Path) -> None:
    columns = Columns(args.text_column, args.id_column)
    files = find_review_files(args.reviews, stdin, scratch, columns)

    from trainer.runs.load import load_checkpoint
    from trainer.scoring.scorer import Scorer

    saved, model = load_checkpoint(run)
    if detector:
        detector.require_checkpoint(saved.sha256, where=args.detector)
    codec, errors, page_reviews = TextCodec(run.manifest), Counter[str](), list[ScoredReview]()
    reviews = chars = 0
    # Both files are opened first: if one cannot be written, nothing is scored in vain.
    with _open_or_none(args.output) as file, _open_or_none(args.html) as page:
        results = score_reviews(read_review_files(files, scratch, columns), Scorer(model), codec)
        for result in report_progress(results, unit="char", size=_count_chars):
            if isinstance(result, UnscoredLine):
                errors[result.error] += 1
            else:
                reviews, chars = reviews + 1, chars + len(result.scores)
                if args.html and len(page_reviews) < MAX_PAGE_REVIEWS:
                    page_reviews.append(result)
            if not args.color:
                line = format_json_line(result, codec, detector=detector, per_char=args.per_char)
            elif isinstance(result, ScoredReview):
                line = color_by_rank(codec.decode(result.ids[1:]), result.scores)
            else:
                continue
            if file:
                file.write(f"{line}\n".encode())
            else:
                print(line)
        unscored = "; ".join(f"{count} not scored: {error}" for error, count in errors.most_common())
        if not reviews:
            raise InputError(f"{', '.join(args.reviews)}: no review can be scored: {unscored or 'no review in it'}")
        if page:
            from jobs.pages.scores import scores_page

            page.write(scores_page(page_reviews, codec, total=reviews))
    log.info("%d review(s) scored, %d characters%s", reviews, chars, f"; {unscored}" if unscored else "")


def _count_chars(result: LineResult) -> int:
    return 0 if isinstance(result, UnscoredLine) else len(result.scores)


def _open_or_none(url: str | None) -> AbstractContextManager[BinaryIO | None]:
    return open_for_writing(url) if url else nullcontext()


def _score_on_beam(args: argparse.Namespace, run: Run, detector: Detector | None, options: Sequence[str]) -> None:
    unknown = next((option for option in options if not option.startswith("-")), None)
    if unknown:
        raise InputError(f"unknown argument {unknown}: expected a Beam option as --name=value (see --help)")
    if args.color or args.html:
        raise InputError("--color and --html: not with Beam options")
    if not args.output or STDIN in args.reviews:
        raise InputError(f"{options[0]}: with a Beam option name the reviews by URL, and a folder by --output URL")

    from trainer.scoring.on_beam import score_on_beam

    urls = (args.run, run, args.reviews, args.output)
    columns = Columns(args.text_column, args.id_column)
    score_on_beam(*urls, detector=detector, per_char=args.per_char, options=options, columns=columns)


if __name__ == "__main__":
    command.run(main)
