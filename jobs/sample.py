"""Text from a run's newest checkpoint, continued from a prompt.

    python -m jobs.sample RUN                                     the start of a review, as it is made
    python -m jobs.sample RUN --until '}'                         one whole review, from { to }
    python -m jobs.sample RUN --prompt "{the food" --diversity 0.8 --count 4 --seed 2
    python -m jobs.sample RUN --prompt-file FILE --top-k 10 --top-p 0.9 --chars 1000
    python -m jobs.sample RUN --stop '}' --chars 5000 --count 1000 --output FILE    reviews as JSON lines
    python -m jobs.sample RUN --interactive                       you and the model write in turns

RUN is the URL of a run's folder. Without a prompt each sample starts as a new review does, with {. Same seed, same
text: sample n of a seed is the same however many are asked for, and where it ends early the same up to there.

A JSON line has the keys number, prompt, text, diversity, seed and ended: `length`, or `stop` for --until and --stop.
With --stop '}' its text is a review's: such a file can be read wherever reviews are.
"""

import argparse
from collections.abc import Sequence

from jobs.cli import command
from preprocessing.dataset.vocabulary import OPEN
from preprocessing.errors import InputError
from trainer.runs.folder import open_run
from trainer.sampling import prompt
from trainer.sampling.stop_texts import Endings
from trainer.sampling.truncation import Limits

MAX_CHARS = 1_000_000  # of a sample: its random numbers are drawn before its first character, as those of 63 beside it


def main(argv: Sequence[str] | None = None) -> None:
    arguments = command.parser(__doc__)
    arguments.add_argument("run", metavar="RUN")
    arguments.add_argument("--diversity", type=float, default=0.5, help="temperature; 0 is argmax (default 0.5)")
    arguments.add_argument("--top-k", type=int, default=0, help="only the likeliest so many symbols (default 0: all)")
    arguments.add_argument("--top-p", type=float, default=1.0, help="of these the likeliest of this share (default 1)")
    arguments.add_argument("--chars", type=int, default=400, help="characters in a sample at most (default 400)")
    arguments.add_argument("--until", action="append", default=[], metavar="TEXT", help="end after it, e.g. '}'")
    arguments.add_argument("--stop", action="append", default=[], metavar="TEXT", help="end before it, leave it out")
    source = arguments.add_mutually_exclusive_group()
    source.add_argument("--prompt", default=OPEN, help="text to continue (default: the start of a review)")
    source.add_argument("--prompt-file", metavar="FILE", help="the same from a file, or - for standard input")
    arguments.add_argument("--strict", action="store_true", help="refuse a prompt of which something is left out")
    arguments.add_argument("--seed", type=int, default=1, help="same seed, same text (default 1)")
    arguments.add_argument("--count", type=int, default=1, help="samples (default 1)")
    arguments.add_argument("--json", action="store_true", help="one JSON object a line")
    arguments.add_argument("--output", metavar="URL", help="write the JSON lines to a file, local or gs://")
    arguments.add_argument("--interactive", action="store_true", help="continue each line that is typed; Ctrl-D ends")
    asked = arguments.parse_args(argv)
    _check(asked)
    run = open_run(asked.run)
    text, argument = asked.prompt, "--prompt"
    if asked.prompt_file is not None:
        text, argument = prompt.read(asked.prompt_file), "--prompt-file"
    ids = prompt.encoded(text, run, argument=argument, strict=asked.strict)
    if not ids:
        raise InputError(f"{argument} {text[:40]!r}: no symbol of the vocabulary in it")
    stop_texts = Endings(
        until=prompt.endings(asked.until, run, argument="--until"),
        stop=prompt.endings(asked.stop, run, argument="--stop"),
    )

    # TensorFlow takes seconds to import: import it only after the arguments are checked.
    from jobs.terminal.samples import SampleRequest, print_samples, stream_sample, write_samples

    request = SampleRequest(
        *(run, ids, stop_texts, Limits(asked.top_k, asked.top_p)),
        diversity=asked.diversity,
        chars=asked.chars,
        seed=asked.seed,
        count=asked.count,
    )
    if asked.interactive:
        from jobs.terminal.interactive import converse

        converse(request, strict=asked.strict)
    elif asked.output is not None:
        write_samples(request, asked.output)
    elif asked.json or asked.count > 1:
        print_samples(request, as_json=asked.json)
    else:
        stream_sample(request)


def _check(asked: argparse.Namespace) -> None:
    """InputError for a value out of its range, or for arguments that do not go together."""
    for flag, value, least in (
        *(("--diversity", asked.diversity, 0), ("--top-k", asked.top_k, 0), ("--chars", asked.chars, 1)),
        *(("--seed", asked.seed, 0), ("--count", asked.count, 1)),
    ):
        if not value >= least:  # not <, so that NaN is caught as well
            raise InputError(f"{flag} {value}: expected at least {least}")
    for flag, value, most in (("--seed", asked.seed, 2**31 - 1), ("--chars", asked.chars, MAX_CHARS)):
        if value > most:
            raise InputError(f"{flag} {value}: expected at most {most}")
    if not 0 < asked.top_p <= 1:
        raise InputError(f"--top-p {asked.top_p}: expected more than 0 and at most 1")
    if asked.interactive:
        others = {"--count": asked.count > 1, "--json": asked.json, "--output": asked.output is not None}
        others["--prompt-file -"] = asked.prompt_file == prompt.STDIN
        for flag, given in others.items():
            if given:
                raise InputError(f"--interactive: cannot be had with {flag}, expected one of them")


if __name__ == "__main__":
    command.run(main)
