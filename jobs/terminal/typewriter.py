"""A text on standard output as it is made."""

import sys
from collections.abc import Callable, Sequence

from trainer.sampling.stop_texts import Endings


class Typewriter:
    """Types each character once it is certain to be part of the text."""

    def __init__(self, decode: Callable[[Sequence[int]], str], endings: Endings) -> None:
        self._decode, self._endings = decode, endings
        self._typed = 0

    def type(self, ids: Sequence[int], *, ended: bool) -> None:
        """Types what was not yet of a text's ids so far; once it has `ended`, a new line."""
        certain = max(self._typed, self._endings.certain(ids, ended=ended))
        say(self._decode(ids[self._typed : certain]) + "\n" * ended)
        self._typed = certain


def say(text: str) -> None:
    """Writes a text for somebody who waits for it."""
    sys.stdout.write(text)
    sys.stdout.flush()
