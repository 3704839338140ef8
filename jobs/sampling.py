"""Samples as they are asked for: to a terminal, to a file, or in turns with a reader."""

import argparse
import json
import logging
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from jobs import prompt
from jobs.output import writing
from jobs.progress import counted
from jobs.run import Run
from jobs.start import trained
from preprocessing.errors import InputError
from trainer.conversation import Conversation
from trainer.endings import Endings
from trainer.limits import Limits
from trainer.sampling import draws
from trainer.texts import Text, texts

log = logging.getLogger(__name__)


class Sampling:
    """What a run's newest checkpoint makes of a prompt; `asked` are the arguments of jobs.sample."""

    def __init__(self, run: Run, ids: Sequence[int], endings: Endings, asked: argparse.Namespace) -> None:
        self._run, self._ids, self._endings, self._asked = run, ids, endings, asked
        self._decode = run.manifest.symbols().decode
        self._limits = Limits(asked.top_k, asked.top_p)

    def print_as_it_is_made(self) -> None:
        """One sample, behind its prompt, character by character."""
        shown = 0
        for text in self._texts():
            if not shown and len(text.ids) == 1:
                _say(self._decode(self._ids))
            shown = self._say_from(shown, text.ids, ended=bool(text.ended))
        _say("\n")

    def print_whole(self) -> None:
        """One sample after the other, each as soon as it and those before it are whole."""
        for text in self._whole(shown=not sys.stdout.isatty()):
            print(self._line(text) if self._asked.json else self._decode(self._ids) + self._text(text), flush=True)

    def write(self, url: str) -> None:
        """JSON lines into a file, which is there once all are."""
        with writing(url) as file:
            began, chars = time.monotonic(), 0
            for text in self._whole(shown=True):
                file.write(f"{self._line(text)}\n".encode())
                chars += len(text.ids)
        rate = chars / (time.monotonic() - began)
        log.info("%s: %d samples, %d characters, %.0f characters/s", url, self._asked.count, chars, rate)

    def converse(self) -> None:
        """Continues each line of standard input from all that was said before, until there are no more."""
        conversation = Conversation(trained(self._run), self._ids)
        for turn, line in enumerate(_lines()):
            try:
                said = prompt.encoded(line, self._run, argument="--interactive", strict=self._asked.strict)
            except InputError as error:
                if not sys.stdin.isatty():
                    raise
                print(error, file=sys.stderr)  # there is somebody to type another
                continue
            conversation.read(said)
            written = conversation.write(
                draws(self._asked.seed, turn, rows=1, chars=self._asked.chars)[0],
                diversity=self._asked.diversity,
                limits=self._limits,
                reached=self._endings.reached,
            )
            ids: list[int] = []
            shown = 0
            with _until_interrupted(written) as going_on:
                for ids in going_on:
                    shown = self._say_from(shown, ids, ended=False)
            self._say_from(shown, ids, ended=True)
            _say("\n")

    def _texts(self) -> Iterator[Text]:
        return texts(
            trained(self._run),
            self._ids,
            count=self._asked.count,
            chars=self._asked.chars,
            seed=self._asked.seed,
            diversity=self._asked.diversity,
            limits=self._limits,
            reached=self._endings.reached,
        )

    def _whole(self, *, shown: bool) -> Iterable[Text]:
        """All samples in order; `shown`: with how far it is, where more than one is made."""
        whole = in_order(self._texts())
        return counted(whole, total=self._asked.count, unit="sample") if shown and self._asked.count > 1 else whole

    def _text(self, text: Text) -> str:
        return self._decode(text.ids[: self._endings.certain(text.ids, ended=True)])

    def _line(self, text: Text) -> str:
        own = {"number": text.number, "prompt": self._decode(self._ids), "text": self._text(text)}
        how = {"diversity": self._asked.diversity, "seed": self._asked.seed, "ended": text.ended}
        return json.dumps(own | how, ensure_ascii=False)

    def _say_from(self, shown: int, ids: Sequence[int], *, ended: bool) -> int:
        """Shows what has become certain since `shown` ids were; how many are shown now."""
        certain = max(shown, self._endings.certain(ids, ended=ended))
        _say(self._decode(ids[shown:certain]))
        return certain


def in_order(found: Iterable[Text]) -> Iterator[Text]:
    """The texts that have ended, by their numbers, which begin at 0 and leave none out."""
    waiting: dict[int, Text] = {}
    turn = 0
    for text in found:
        if text.ended:
            waiting[text.number] = text
        while turn in waiting:
            yield waiting.pop(turn)
            turn += 1


def _lines() -> Iterator[str]:
    """What is typed, line by line, or comes through a pipe."""
    if sys.stdin.isatty():
        import readline  # noqa: F401 (gives input() its editing and its history)

        while True:
            try:
                yield input("> ")
            except EOFError:
                _say("\n")
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

    before = signal.signal(signal.SIGINT, press)
    try:
        yield _while(lambda: not pressed, items)
    finally:
        signal.signal(signal.SIGINT, before)


def _while(condition: Callable[[], bool], items: Iterator[list[int]]) -> Iterator[list[int]]:
    for item in items:
        yield item
        if not condition():
            return


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
