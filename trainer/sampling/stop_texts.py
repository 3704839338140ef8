"""Where a text ends before its length: at what it is generated until, or before what stops it."""

from collections.abc import Sequence
from dataclasses import dataclass

Ids = Sequence[int]


@dataclass(frozen=True)
class Endings:
    """The ids of texts that end a sample, none of them empty: `until` belongs to it, `stop` does not."""

    until: tuple[Ids, ...] = ()
    stop: tuple[Ids, ...] = ()

    def reached(self, ids: Ids) -> bool:
        """Whether the ids of a text so far end it."""
        return any(_ends(ids, text) for text in (*self.until, *self.stop))

    def certain(self, ids: Ids, *, ended: bool) -> int:
        """How many of a text's ids are part of it, whatever follows: not the beginning of what would stop it."""
        found = [len(text) for text in self.stop if _ends(ids, text)]
        if not found and not ended:
            found = [size for text in self.stop for size in range(1, len(text)) if _ends(ids, text[:size])]
        return len(ids) - max(found, default=0)


def _ends(ids: Ids, text: Ids) -> bool:
    return list(ids[-len(text) :]) == list(text)
