"""Plain text in aligned columns, in which every symbol is visible."""

import unicodedata
from collections.abc import Iterable, Sequence

GAP = "  "


def format_table(sides: str, rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a line for each row. `sides` aligns each column to the left (<) or the right (>)."""
    rows = list(rows)
    widths = [max((_width(row[k]) for row in rows), default=0) for k in range(len(sides))]
    return [
        GAP.join(_pad(cell, side, width) for cell, side, width in zip(row, sides, widths, strict=True)).rstrip()
        for row in rows
    ]


def format_columns(lines: Sequence[str], *, width: int) -> list[str]:
    """Put short lines side by side, from top to bottom, in as many columns as fit `width` characters."""
    widest = max(map(_width, lines), default=0)
    gap = 2 * GAP
    count = max(1, (width + len(gap)) // (widest + len(gap)))
    height = -(-len(lines) // count)
    padded = [_pad(line, "<", widest) for line in lines]
    return [gap.join(padded[row::height]).rstrip() for row in range(height)]


def escape_invisible(text: str) -> str:
    """Escape line breaks, other invisible characters and the backslash as Python does."""
    return "".join(_escape(symbol) for symbol in text)


def name_symbol(symbol: str) -> str:
    """Return a symbol's name in a table."""
    return "space" if symbol == " " else escape_invisible(symbol)


def _escape(symbol: str) -> str:
    # A combining mark would combine with its neighbour, for example the border of the column.
    if symbol.isprintable() and symbol != "\\" and not unicodedata.category(symbol).startswith("M"):
        return symbol
    return symbol.encode("unicode_escape").decode()


def _pad(cell: str, side: str, width: int) -> str:
    blank = " " * (width - _width(cell))
    return cell + blank if side == "<" else blank + cell


def _width(text: str) -> int:
    """Count terminal cells. A Chinese or Japanese symbol takes two."""
    return sum(2 if unicodedata.east_asian_width(symbol) in ("W", "F") else 1 for symbol in text)
