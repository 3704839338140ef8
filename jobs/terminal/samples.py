"""Samples as they are asked for: one as it is made, or many, printed or in a file."""

import argparse
import json
import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat

from jobs.terminal.progress import counted
from jobs.terminal.typewriter import Typewriter, say
from preprocessing.storage.output import writing
from trainer.runs.folder import Run
from trainer.runtime.devices import trained
from trainer.sampling.generate import Text, in_order, texts
from trainer.sampling.stop_texts import Endings
from trainer.sampling.truncation import Limits

log = logging.getLogger(__name__)


class Sampling:
    """What a run's newest checkpoint makes of a prompt; `asked` are the arguments of jobs.sample."""

    def __init__(self, run: Run, ids: Sequence[int], endings: Endings, asked: argparse.Namespace) -> None:
        self._run, self._ids, self._endings, self._asked = run, ids, endings, asked
        self._decode = run.manifest.symbols().decode
        self._limits = Limits(asked.top_k, asked.top_p)

    def print_as_it_is_made(self) -> None:
        """One sample, behind its prompt, character by character."""
        typewriter = Typewriter(self._decode, self._endings)
        for number, text in enumerate(self._texts()):
            if not number:
                say(self._decode(self._ids))
            typewriter.type(text.ids, ended=bool(text.ended))

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

    def _texts(self) -> Iterator[Text]:
        return texts(
            trained(self._run),
            self._ids,
            repeat(self._asked.diversity, self._asked.count),
            chars=self._asked.chars,
            seed=self._asked.seed,
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
