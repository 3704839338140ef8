"""How well a run's model predicts each of some reviews: a JSON line for each.

    python -m jobs.score RUN reviews.jsonl
    python -m jobs.score RUN 'gs://bucket/reviews/*.jsonl.gz' --output gs://bucket/scores.jsonl
    echo 'the food was great.' | python -m jobs.score RUN - --per-char
    python -m jobs.score RUN reviews.csv --detector detector.json
    python -m jobs.score RUN reviews.txt --color
    python -m jobs.score RUN 'gs://bucket/*.jsonl' --output gs://bucket/scores --runner=DataflowRunner ...

RUN is the URL of a run's folder. Reviews are what jobs.preprocess reads: JSON lines with `text` and `review_id`, CSV,
{review}{review}, .gz, .zip ..., by path, gs:// URL or glob; also a .txt that is one review; `-` is stdin (default).
A review is scored as training saw it: as {text}, in lower case if the dataset is, without symbols that the vocabulary
does not have (`dropped` counts them). The closing brace is scored too. Of a line that is no review the output says so.

A line has id, source, line, chars, dropped, bits_per_char, mean_log_rank (natural logarithm), and ranks: the shares
of characters that were the model's 1st, 2nd-3rd, 4th-10th or a later choice. With --detector (made by jobs.detect
train) also a verdict: generated, not detected, or too short.

Other options go to Beam, as --runner=FnApiRunner: then the reviews are scored by its workers, each of which loads the
model once, into files OUTPUT/scores-*.jsonl in no particular order.
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
from preprocessing.progress import report_progress
from preprocessing.storage.urls import open_for_writing
from trainer.runs.folder import Run, open_run
from trainer.scoring.detector import Detector, read_detector
from trainer.scoring.review_texts import STDIN, named, read
from trainer.scoring.reviews import Alphabet, Scored, Unread, as_line, scored

log = logging.getLogger(__name__)

COLORED_TEXTS = 200  # on a page: more would make a file that no browser likes


def main(argv: Sequence[str] | None = None, stdin: IO[bytes] | None = None) -> None:
    arguments = command.parser(__doc__)
    arguments.add_argument("run", metavar="RUN")
    arguments.add_argument("reviews", metavar="REVIEWS", nargs="*", default=[STDIN], help="URLs or - (default: -)")
    arguments.add_argument("--output", metavar="URL", help="a file to write instead of stdout; with Beam a folder")
    arguments.add_argument("--per-char", action="store_true", help="also text, bits and rank of each character")
    arguments.add_argument("--detector", metavar="URL", help="also a verdict by this detector")
    arguments.add_argument("--color", action="store_true", help="no JSON but the texts, coloured by rank")
    arguments.add_argument("--html", metavar="FILE", help="also a page of the texts, coloured by rank")
    asked, beam_options = arguments.parse_known_args(argv)
    for option in beam_options:
        near = arguments.nearest(option.partition("=")[0].replace("_", "-"))
        if near:
            raise InputError(f"{option}: unknown: did you mean {near}?")
    if asked.color and not sys.stdout.isatty():
        raise InputError("--color: stdout is no terminal: use --html FILE")
    run = open_run(asked.run)
    detector = read_detector(asked.detector) if asked.detector else None
    with tempfile.TemporaryDirectory(prefix="score-") as made:
        if beam_options:
            _on_beam(asked, run, detector, beam_options)
        else:
            _here(asked, run, detector, stdin or sys.stdin.buffer, Path(made))


def _here(asked: argparse.Namespace, run: Run, detector: Detector | None, stdin: IO[bytes], scratch: Path) -> None:
    files = named(asked.reviews, stdin, scratch)

    from trainer.runs.load import load_checkpoint
    from trainer.scoring.scorer import Scorer

    saved, net = load_checkpoint(run)
    if detector:
        detector.check(saved.sha256, where=asked.detector)
    alphabet, errors, colored = Alphabet(run.manifest), Counter[str](), list[Scored]()
    texts = chars = 0
    # Both first: where nothing can be written, the work would be in vain.
    with _written(asked.output) as file, _written(asked.html) as page:
        done = scored(read(files, scratch), Scorer(net), alphabet)
        for found in report_progress(
            done, unit="char", size=lambda one: 0 if isinstance(one, Unread) else len(one.scores)
        ):
            if isinstance(found, Unread):
                errors[found.error] += 1
            else:
                texts, chars = texts + 1, chars + len(found.scores)
                if asked.html and len(colored) < COLORED_TEXTS:
                    colored.append(found)
            if not asked.color:
                line = as_line(found, alphabet, detector=detector, per_char=asked.per_char)
            elif isinstance(found, Scored):
                line = color_by_rank(alphabet.decode(found.ids[1:]), found.scores)
            else:
                continue
            if file:
                file.write(f"{line}\n".encode())
            else:
                print(line)
        unread = "; ".join(f"{count} not: {reason}" for reason, count in errors.most_common())
        if not texts:
            raise InputError(f"{', '.join(asked.reviews)}: nothing that can be scored: {unread or 'no review'}")
        if page:
            from jobs.pages.scores import scores_page

            page.write(scores_page(colored, alphabet, total=texts))
    log.info("%d review(s) scored, %d characters%s", texts, chars, f"; {unread}" if unread else "")


def _written(url: str | None) -> AbstractContextManager[BinaryIO | None]:
    return open_for_writing(url) if url else nullcontext()


def _on_beam(asked: argparse.Namespace, run: Run, detector: Detector | None, options: Sequence[str]) -> None:
    unknown = next((option for option in options if not option.startswith("-")), None)
    if unknown:
        raise InputError(f"unknown argument {unknown}: expected --name=value of an option of Beam's (see --help)")
    if asked.color or asked.html:
        raise InputError("--color and --html: not with options of Beam's")
    if not asked.output or STDIN in asked.reviews:
        raise InputError(
            f"{options[0]}: with an option of Beam's name the reviews by URL, and a folder by --output URL"
        )

    from trainer.scoring.on_beam import score

    score(asked.run, run, asked.reviews, asked.output, detector=detector, per_char=asked.per_char, options=options)


if __name__ == "__main__":
    command.run(main)
