"""Sample text from a run's newest checkpoint.

    python -m jobs.sample RUN                                     the beginning of a review
    python -m jobs.sample RUN --until '}'                         one whole review, from { to }
    python -m jobs.sample RUN --prompt "{the food" --diversity 0.8 --count 4 --seed 2
    python -m jobs.sample RUN --prompt-file FILE --top-k 10 --top-p 0.9 --chars 1000
    python -m jobs.sample RUN --stop '}' --chars 5000 --count 1000 --output FILE    reviews as JSON lines
    python -m jobs.sample RUN --interactive                       you and the model write in turns

RUN is the URL of a run's folder. The default prompt is {, the start of a review. The same seed gives the same text.
Sample n of a seed does not depend on --count. A sample that ends early equals the beginning of the longer sample.

A JSON line has the keys number, prompt, text, diversity, seed and ended. `ended` is `stop` if --until or --stop ended
the sample, else `length`. With --stop '}' the text is a review's text, and every command that reads reviews reads the
file.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from jobs.cli import command
from jobs.cli.command import checked
from preprocessing.dataset.vocabulary import OPEN
from preprocessing.errors import InputError
from preprocessing.settings import Seed
from preprocessing.storage.urls import split_url
from trainer.runs.folder import Run, open_run
from trainer.sampling.prompt import decode_utf8, encode_prompt, encode_stop_texts
from trainer.sampling.stop_texts import StopTexts
from trainer.sampling.truncation import Truncation

STDIN = "-"
MAX_PROMPT_BYTES = 100_000_000  # a larger file was not meant as a prompt
Share = Annotated[float, Field(gt=0, le=1)]
# A sample's random numbers, and those of 63 samples beside it, are drawn before its first character.
Chars = Annotated[int, Field(ge=1, le=1_000_000)]


def main(argv: Sequence[str] | None = None) -> None:
    args = _parse_args(argv)
    if args.interactive:
        _refuse_with_interactive(args)
    run = open_run(args.run)
    prompt, stop_texts = _encode_prompt(args, run), _encode_stop_texts(args, run)

    # TensorFlow takes seconds to import: import it only after the arguments are checked.
    from jobs.terminal.samples import SampleRequest, print_samples, stream_sample, write_samples

    request = SampleRequest(
        *(run, prompt, stop_texts, Truncation(args.top_k, args.top_p)),
        diversity=args.diversity,
        chars=args.chars,
        seed=args.seed,
        count=args.count,
        checkpoint=args.checkpoint,
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


def _parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = command.parser(__doc__)
    parser.add_argument("run", metavar="RUN")
    command.add_checkpoint(parser)
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
    return parser.parse_args(argv)


def _encode_prompt(args: argparse.Namespace, run: Run) -> list[int]:
    """Return the prompt's ids. Raises InputError if no symbol of the prompt is in the vocabulary."""
    text, argument = args.prompt, "--prompt"
    if args.prompt_file is not None:
        text, argument = _read_prompt(args.prompt_file), "--prompt-file"
    manifest = run.manifest
    lowercase = manifest.settings["lowercase"]
    prompt = encode_prompt(text, manifest.symbols(), lowercase=lowercase, argument=argument, strict=args.strict)
    if not prompt:
        raise InputError(f"{argument} {text[:40]!r}: no symbol of the vocabulary in it")
    return prompt


def _encode_stop_texts(args: argparse.Namespace, run: Run) -> StopTexts:
    """Return the texts of --until and --stop as ids."""
    vocabulary, lowercase = run.manifest.symbols(), run.manifest.settings["lowercase"]
    return StopTexts(
        until=encode_stop_texts(args.until, vocabulary, lowercase=lowercase, argument="--until"),
        stop=encode_stop_texts(args.stop, vocabulary, lowercase=lowercase, argument="--stop"),
    )


def _refuse_with_interactive(args: argparse.Namespace) -> None:
    """Raise InputError for an option that --interactive excludes."""
    excluded = {"--count": args.count > 1, "--json": args.json, "--output": args.output is not None}
    excluded["--prompt-file -"] = args.prompt_file == STDIN
    for flag, given in excluded.items():
        if given:
            raise InputError(f"--interactive: cannot be used with {flag}, expected only one of them")


def _read_prompt(file: str) -> str:
    """Read a prompt from a file or standard input, without a newline at its end. Raises InputError if it is empty."""
    where = file
    if file == STDIN:
        where, data = "standard input", sys.stdin.buffer.read(MAX_PROMPT_BYTES + 1)
        size = len(data)
    else:
        folder, name = split_url(file)
        try:
            size = folder.stat(name).bytes
            data = folder.read(name) if size <= MAX_PROMPT_BYTES else b""
        except FileNotFoundError:
            raise InputError(f"--prompt-file {file}: no such file") from None
    if size > MAX_PROMPT_BYTES:
        raise InputError(f"{where}: more than {MAX_PROMPT_BYTES} bytes, expected a prompt")
    text = decode_utf8(data, where=where).removesuffix("\n").removesuffix("\r")
    if not text:
        raise InputError(f"{where}: empty, expected the text to continue")
    return text


if __name__ == "__main__":
    command.run(main)
