"""Plain text in aligned columns, of symbols that all can be seen."""

import unicodedata
from collections.abc import Iterable, Sequence

GAP = "  "


def table(sides: str, rows: Iterable[Sequence[str]]) -> list[str]:
    """A line for each row. `sides` has for each column the side its cells keep to, < or >."""
    rows = list(rows)
    widths = [max((_width(row[k]) for row in rows), default=0) for k in range(len(sides))]
    return [
        GAP.join(_padded(cell, side, width) for cell, side, width in zip(row, sides, widths, strict=True)).rstrip()
        for row in rows
    ]


def columns(lines: Sequence[str], *, width: int) -> list[str]:
    """The lines side by side, one column down after the other, as many as fit in `width` characters."""
    widest = max(map(_width, lines), default=0)
    gap = 2 * GAP
    count = max(1, (width + len(gap)) // (widest + len(gap)))
    height = -(-len(lines) // count)
    padded = [_padded(line, "<", widest) for line in lines]
    return [gap.join(padded[row::height]).rstrip() for row in range(height)]


def visible(text: str) -> str:
    """The text in one line: what is no visible character, and the backslash, escaped as Python does."""
    return "".join(_escaped(symbol) for symbol in text)


def named(symbol: str) -> str:
    """The symbol as it can stand in a table."""
    return "space" if symbol == " " else visible(symbol)


def _escaped(symbol: str) -> str:
    # A combining mark would sit on its neighbour, in a table on the column's border.
    if symbol.isprintable() and symbol != "\\" and not unicodedata.category(symbol).startswith("M"):
        return symbol
    return symbol.encode("unicode_escape").decode()


def _padded(cell: str, side: str, width: int) -> str:
    blank = " " * (width - _width(cell))
    return cell + blank if side == "<" else blank + cell


def _width(text: str) -> int:
    """In cells of a terminal, of which a Chinese or Japanese symbol takes two."""
    return sum(2 if unicodedata.east_asian_width(symbol) in ("W", "F") else 1 for symbol in text)
