"""A text with each character in the colour of its rank among the model's choices: GLTR's idea.

Text that a model wrote is green almost everywhere; a person's has the model's unlikely choices strewn in.
"""

import html
from collections.abc import Iterator, Sequence
from itertools import groupby

from jobs.terminal.table import visible
from trainer.scoring.scores import RANK_NAMES, Scores, kinds

# Of the kinds of rank in RANK_NAMES: on a terminal, and on a page as the background of dark text.
NAMES = ("green", "yellow", "red", "purple")
ANSI = (32, 33, 31, 35)
BACKGROUNDS = ("#b6e3b0", "#f6e58d", "#f5a9a0", "#d5b3ea")


def legend() -> list[str]:
    """What each colour stands for, in words."""
    return [f"{color}: choice {ranks}" for color, ranks in zip(NAMES, RANK_NAMES, strict=True)]


def for_terminal(text: str, scores: Scores) -> str:
    """The text with ANSI colours; its characters are those that the scores are of.

    What a terminal would obey and not show, as an escape sequence in a review, is escaped.
    """
    shown = [symbol if symbol.isprintable() or symbol == "\n" else visible(symbol) for symbol in text]
    return "".join(f"\033[{ANSI[kind]}m{part}\033[0m" for kind, part in _parts(shown, scores))


def for_page(text: str, scores: Scores) -> str:
    """The text as HTML."""
    spans = (
        f'<span style="background:{BACKGROUNDS[kind]};color:#111">{html.escape(part)}</span>'
        for kind, part in _parts(text, scores)
    )
    return f'<div class="sample">{"".join(spans)}</div>'


def _parts(text: Sequence[str], scores: Scores) -> Iterator[tuple[int, str]]:
    """What stands side by side in one colour."""
    for kind, together in groupby(zip(kinds(scores.ranks).tolist(), text, strict=True), key=lambda pair: pair[0]):
        yield kind, "".join(symbol for _, symbol in together)
