"""You and a model write in turns, on a terminal or through a pipe."""

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from jobs.terminal.typewriter import Typewriter, say
from preprocessing.errors import InputError
from trainer.runs.folder import Run
from trainer.runtime.devices import trained
from trainer.sampling import prompt
from trainer.sampling.conversation import Conversation
from trainer.sampling.sampler import draws
from trainer.sampling.stop_texts import Endings
from trainer.sampling.truncation import Limits


def converse(run: Run, start: Sequence[int], endings: Endings, asked: argparse.Namespace) -> None:
    """Continues each line of standard input from all that was said before, until there are no more.

    `start`: ids with which the text begins; `asked` are the arguments of jobs.sample.
    """
    conversation = Conversation(trained(run), start)
    for turn, line in enumerate(_lines()):
        try:
            said = prompt.encoded(line, run, argument="--interactive", strict=asked.strict)
        except InputError as error:
            if not sys.stdin.isatty():
                raise
            print(error, file=sys.stderr)  # there is somebody to type another
            continue
        conversation.read(said)
        written = conversation.write(
            draws(asked.seed, turn, rows=1, chars=asked.chars)[0],
            diversity=asked.diversity,
            limits=Limits(asked.top_k, asked.top_p),
            reached=endings.reached,
        )
        typewriter, ids = Typewriter(run.manifest.symbols().decode, endings), list[int]()
        with _until_interrupted(written) as going_on:
            for ids in going_on:
                typewriter.type(ids, ended=False)
        typewriter.type(ids, ended=True)


def _lines() -> Iterator[str]:
    """What is typed, line by line, or comes through a pipe."""
    if sys.stdin.isatty():
        import readline  # noqa: F401 (gives input() its editing and its history)

        while True:
            try:
                yield input("> ")
            except EOFError:
                say("\n")
                return
    for number, line in enumerate(sys.stdin.buffer, start=1):
        yield prompt.as_text(line, place=f"standard input, line {number}").rstrip("\r\n")


@contextmanager
def _until_interrupted(items: Iterator[list[int]]) -> Iterator[Iterator[list[int]]]:
    """The items, up to a Ctrl-C in the block, which there ends nothing else."""
    pressed = False

    def press(*_: object) -> None:
        nonlocal pressed
        pressed = True

    def taken() -> Iterator[list[int]]:
        for item in items:
            yield item
            if pressed:
                return

    before = signal.signal(signal.SIGINT, press)
    try:
        yield taken()
    finally:
        signal.signal(signal.SIGINT, before)
