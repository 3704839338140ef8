"""Interactive sampling: a person and a model write in turns, on a terminal or through a pipe."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from jobs.terminal.samples import SampleRequest, TextStream, print_now
from preprocessing.errors import InputError
from trainer.runs.load import load_model
from trainer.sampling.generate import Conversation
from trainer.sampling.prompt import decode_utf8, encode_prompt
from trainer.sampling.sampler import draw_numbers


def converse(request: SampleRequest, *, strict: bool) -> None:
    """Continue each line of standard input from all text before it, until standard input ends.

    The text begins with the request's prompt. `strict` refuses a line of which a part would be left out.
    """
    conversation = Conversation(load_model(request.run, request.checkpoint), request.prompt)
    vocabulary, lowercase = request.run.manifest.symbols(), request.run.manifest.settings["lowercase"]
    for turn, line in enumerate(_lines()):
        try:
            ids = encode_prompt(line, vocabulary, lowercase=lowercase, argument="--interactive", strict=strict)
        except InputError as error:
            if not sys.stdin.isatty():
                raise
            print(error, file=sys.stderr)  # the person can type another line
            continue
        conversation.read(ids)
        answer = conversation.write(
            draw_numbers(request.seed, turn, rows=1, chars=request.chars)[0],
            diversity=request.diversity,
            truncation=request.truncation,
            reached=request.stop_texts.reached,
        )
        stream, ids = TextStream(request.decode, request.stop_texts), list[int]()
        with _until_interrupted(answer) as growing:
            for ids in growing:
                stream.update(ids, ended=False)
        stream.update(ids, ended=True)


def _lines() -> Iterator[str]:
    """Yield the lines that a person types, or that come through a pipe."""
    if sys.stdin.isatty():
        import readline  # noqa: F401 (gives input() line editing and a history)

        while True:
            try:
                yield input("> ")
            except EOFError:
                print_now("\n")
                return
    for number, line in enumerate(sys.stdin.buffer, start=1):
        yield decode_utf8(line, where=f"standard input, line {number}").rstrip("\r\n")


@contextmanager
def _until_interrupted(items: Iterator[list[int]]) -> Iterator[Iterator[list[int]]]:
    """Return the items up to a Ctrl-C. In the block Ctrl-C does nothing else."""
    interrupted = False

    def interrupt(*_: object) -> None:
        nonlocal interrupted
        interrupted = True

    def remaining() -> Iterator[list[int]]:
        for item in items:
            yield item
            if interrupted:
                return

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield remaining()
    finally:
        signal.signal(signal.SIGINT, before)
