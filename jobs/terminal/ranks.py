"""Text with each character in the color of its rank among the model's choices, as in GLTR.

Generated text is green almost everywhere. A person's text has unlikely choices in between.
GLTR: Gehrmann et al., "GLTR: Statistical Detection and Visualization of Generated Text", 2019.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from jobs.terminal.table import escape_invisible
from trainer.scoring.scores import RANK_NAMES, Scores, rank_classes

# Of each class of rank in RANK_NAMES. On a page, the classes rank0 to rank3 in page.html.j2 have these colors.
COLORS = ("green", "yellow", "red", "purple")
ANSI = (32, 33, 31, 35)


def rank_legend() -> list[str]:
    """Describe each color in words."""
    return [f"{color}: choice {ranks}" for color, ranks in zip(COLORS, RANK_NAMES, strict=True)]


def color_by_rank(text: str, scores: Scores) -> str:
    """Color a text with ANSI codes. `scores` are of exactly its characters.

    Characters that a terminal would obey instead of show, for example an escape sequence in a review, are escaped.
    """
    symbols = [symbol if symbol.isprintable() or symbol == "\n" else escape_invisible(symbol) for symbol in text]
    return "".join(f"\033[{ANSI[rank]}m{part}\033[0m" for rank, part in group_by_rank(symbols, scores))


def group_by_rank(symbols: Sequence[str], scores: Scores) -> Iterator[tuple[int, str]]:
    """Yield neighbours of one class of rank as (index in RANK_NAMES, text)."""
    for rank, pairs in groupby(
        zip(rank_classes(scores.ranks).tolist(), symbols, strict=True), key=lambda pair: pair[0]
    ):
        yield rank, "".join(symbol for _, symbol in pairs)
