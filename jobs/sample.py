"""Text from a run's newest checkpoint.

    python -m jobs.sample RUN --diversity 0.5 --chars 400 --prompt TEXT --seed 1 --count 4

RUN is the URL of a run's folder. Without --prompt each sample starts as a new review does.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence

from jobs import command
from jobs.run import open_run
from preprocessing.errors import InputError
from preprocessing.vocabulary import OPEN, Vocabulary


def main(argv: Sequence[str] | None = None) -> None:
    arguments = command.parser(__doc__)
    arguments.add_argument("run", metavar="RUN")
    arguments.add_argument("--diversity", type=float, default=0.5, help="temperature; 0 is argmax (default 0.5)")
    arguments.add_argument("--chars", type=int, default=400, help="characters in a sample (default 400)")
    arguments.add_argument("--prompt", default=OPEN, help="text to continue (default: the start of a review)")
    arguments.add_argument("--seed", type=int, default=1, help="same seed, same text (default 1)")
    arguments.add_argument("--count", type=int, default=1, help="samples (default 1)")
    arguments.add_argument("--json", action="store_true", help="one JSON object a line")
    asked = arguments.parse_args(argv)
    if asked.seed >= 2**31:
        raise InputError(f"--seed {asked.seed}: expected less than {2**31}")
    for name, least in (("diversity", 0), ("chars", 1), ("seed", 0), ("count", 1)):
        if not getattr(asked, name) >= least:  # not <, so that NaN is caught as well
            raise InputError(f"--{name} {getattr(asked, name)}: expected at least {least}")
    write(asked)


def write(asked: argparse.Namespace) -> None:
    """Prints the samples that were asked for."""
    run = open_run(asked.run)
    vocabulary = run.manifest.symbols()
    prompt = encoded(asked.prompt, vocabulary, lowercase=run.manifest.settings["lowercase"])

    import numpy as np

    from jobs.start import trained
    from trainer.samples import Sample
    from trainer.sampling import draws, generate, stepper

    ids = generate(
        *stepper(trained(run), asked.count),
        np.repeat(np.asarray(prompt)[None], asked.count, axis=0),
        diversities=[asked.diversity] * asked.count,
        drawn=draws(asked.seed, 0, rows=asked.count, chars=asked.chars),
    )
    for row in ids:
        sample = Sample(asked.diversity, vocabulary.decode(prompt), vocabulary.decode(row))
        print(json.dumps(vars(sample), ensure_ascii=False) if asked.json else sample.prompt + sample.text)


def encoded(prompt: str, vocabulary: Vocabulary, *, lowercase: bool) -> Sequence[int]:
    """The prompt's ids; what is outside the vocabulary is left out and named on stderr."""
    try:
        ids, dropped = vocabulary.encode(prompt.lower() if lowercase else prompt)
    except UnicodeEncodeError:
        raise InputError(f"--prompt {prompt!r}: not text") from None
    if dropped:
        print(f"prompt: left out {_named(dropped)}, not in the vocabulary", file=sys.stderr)
    if not len(ids):
        raise InputError(f"--prompt {prompt!r}: no symbol of the vocabulary in it")
    return [int(i) for i in ids]


def _named(symbols: Counter[str]) -> str:
    return ", ".join(repr(symbol) for symbol in sorted(symbols))


if __name__ == "__main__":
    command.run(main)
