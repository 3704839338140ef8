"""Texts that end a sample."""

from collections.abc import Sequence
from dataclasses import dataclass

IdSequence = Sequence[int]


@dataclass(frozen=True)
class StopTexts:
    """Texts that end a sample, as ids. No text is empty.

    until: the sample ends after such a text, and includes it.
    stop: the sample ends before such a text.
    """

    until: tuple[IdSequence, ...] = ()
    stop: tuple[IdSequence, ...] = ()

    def reached(self, ids: IdSequence) -> bool:
        """Return whether a sample with these ids ends here."""
        return any(_ends_with(ids, text) for text in (*self.until, *self.stop))

    def certain_length(self, ids: IdSequence, *, ended: bool) -> int:
        """Return how many of a sample's ids belong to it, whatever ids follow.

        The ids of a reached `stop` text do not belong to the sample. The ids that may be the beginning of a `stop`
        text are not certain until the sample has `ended`.
        """
        uncertain = [len(text) for text in self.stop if _ends_with(ids, text)]
        if not uncertain and not ended:
            uncertain = [size for text in self.stop for size in range(1, len(text)) if _ends_with(ids, text[:size])]
        return len(ids) - max(uncertain, default=0)


def _ends_with(ids: IdSequence, text: IdSequence) -> bool:
    return list(ids[-len(text) :]) == list(text)
