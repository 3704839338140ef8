"""Text from a run's newest checkpoint, continued from a prompt.

    python -m jobs.sample RUN                                     the start of a review, as it is made
    python -m jobs.sample RUN --until '}'                         one whole review, from { to }
    python -m jobs.sample RUN --prompt "{the food" --diversity 0.8 --count 4 --seed 2
    python -m jobs.sample RUN --prompt-file FILE --top-k 10 --top-p 0.9 --chars 1000
    python -m jobs.sample RUN --stop '}' --chars 5000 --count 1000 --output FILE    reviews as JSON lines
    python -m jobs.sample RUN --interactive                       you and the model write in turns

RUN is the URL of a run's folder. Without a prompt each sample starts as a new review does, with {. Same seed, same
text: sample n of a seed is the same whatever --count is. If it ends early, it is the same up to its end.

A JSON line has the keys number, prompt, text, diversity, seed and ended: `length`, or `stop` for --until and --stop.
With --stop '}' its text is a review's: such a file can be read wherever reviews are.
"""

import argparse
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from jobs.cli import command
from jobs.cli.command import checked
from preprocessing.dataset.vocabulary import OPEN
from preprocessing.errors import InputError
from preprocessing.settings import Seed
from trainer.runs.folder import open_run
from trainer.sampling import prompt
from trainer.sampling.stop_texts import Endings
from trainer.sampling.truncation import Limits

Share = Annotated[float, Field(gt=0, le=1)]
# A sample's random numbers, and those of 63 samples beside it, are drawn before its first character.
Chars = Annotated[int, Field(ge=1, le=1_000_000)]


def main(argv: Sequence[str] | None = None) -> None:
    parser = command.parser(__doc__)
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("--diversity", type=checked(NonNegativeFloat), default=0.5, help="0: argmax (default 0.5)")
    parser.add_argument(
        "--top-k", type=checked(NonNegativeInt), default=0, help="only the K likeliest symbols (default 0: all)"
    )
    parser.add_argument(
        "--top-p", type=checked(Share), default=1.0, help="only the likeliest symbols, with this share (default 1)"
    )
    parser.add_argument("--chars", type=checked(Chars), default=400, help="most characters in a sample (default 400)")
    parser.add_argument("--until", action="append", default=[], metavar="TEXT", help="end after TEXT, for instance '}'")
    parser.add_argument("--stop", action="append", default=[], metavar="TEXT", help="end before TEXT, leave it out")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--prompt", default=OPEN, help="text to continue (default: the start of a review)")
    source.add_argument("--prompt-file", metavar="FILE", help="file with the text to continue, or - for standard input")
    parser.add_argument("--strict", action="store_true", help="refuse a prompt with symbols outside the vocabulary")
    parser.add_argument("--seed", type=checked(Seed), default=1, help="same seed, same text (default 1)")
    parser.add_argument("--count", type=checked(PositiveInt), default=1, help="number of samples (default 1)")
    parser.add_argument("--json", action="store_true", help="print one JSON object per line")
    parser.add_argument("--output", metavar="URL", help="write the JSON lines to a file, local or gs://")
    parser.add_argument("--interactive", action="store_true", help="continue each line that you type; Ctrl-D ends")
    args = parser.parse_args(argv)
    if args.interactive:
        _refuse_with_interactive(args)
    run = open_run(args.run)
    text, argument = args.prompt, "--prompt"
    if args.prompt_file is not None:
        text, argument = prompt.read(args.prompt_file), "--prompt-file"
    ids = prompt.encoded(text, run, argument=argument, strict=args.strict)
    if not ids:
        raise InputError(f"{argument} {text[:40]!r}: no symbol of the vocabulary in it")
    stop_texts = Endings(
        until=prompt.endings(args.until, run, argument="--until"),
        stop=prompt.endings(args.stop, run, argument="--stop"),
    )

    # TensorFlow takes seconds to import: import it only after the arguments are checked.
    from jobs.terminal.samples import SampleRequest, print_samples, stream_sample, write_samples

    request = SampleRequest(
        *(run, ids, stop_texts, Limits(args.top_k, args.top_p)),
        diversity=args.diversity,
        chars=args.chars,
        seed=args.seed,
        count=args.count,
    )
    if args.interactive:
        from jobs.terminal.interactive import converse

        converse(request, strict=args.strict)
    elif args.output is not None:
        write_samples(request, args.output)
    elif args.json or args.count > 1:
        print_samples(request, as_json=args.json)
    else:
        stream_sample(request)


def _refuse_with_interactive(args: argparse.Namespace) -> None:
    """Raise InputError for an option that --interactive excludes."""
    others = {"--count": args.count > 1, "--json": args.json, "--output": args.output is not None}
    others["--prompt-file -"] = args.prompt_file == prompt.STDIN
    for flag, given in others.items():
        if given:
            raise InputError(f"--interactive: cannot be had with {flag}, expected one of them")


if __name__ == "__main__":
    command.run(main)
