"""Plots of matplotlib as SVG images in a page that needs no other file; the same bytes for the same numbers.

They have no background, and their ink is light where the reader's browser is asked for dark pages.
"""

import base64
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from cycler import cycler
from markupsafe import Markup
from matplotlib.figure import Figure

INK = "#1f2329"  # no other colour: what is drawn in it becomes the browser's
STYLE = b"<style>svg{color:#1f2329}@media(prefers-color-scheme:dark){svg{color:#d5d9de}}</style>"
# Told apart on white and on black, and by most of those who see fewer colours: blue, orange, green, red, purple, grey.
COLORS = ("#3b82c4", "#d9822b", "#2f9e7a", "#d64550", "#8e6bbf", "#7c8894")
SETTINGS: Any = {
    # Ids inside an SVG are random without a salt. Text stays text, for the reader's fonts.
    "svg.hashsalt": "drawing",
    "svg.fonttype": "none",
    "savefig.transparent": True,
    "axes.prop_cycle": cycler(color=COLORS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    **dict.fromkeys(
        ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color", "grid.color"), INK
    ),
}


@contextmanager
def drawing() -> Iterator[None]:
    """For figures to be made and saved in: matplotlib as it comes, whatever the user's own settings."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the reader's fonts will have it, matplotlib's need not
        matplotlib.rcdefaults()  # the reader's own matplotlibrc must not change the bytes
        matplotlib.rcParams.update(SETTINGS)
        yield


def svg(figure: Figure) -> bytes:
    """The figure as an SVG file."""
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    drawn = file.getvalue().replace(INK.encode(), b"currentColor")
    return drawn.replace(b"<defs>", STYLE + b"<defs>", 1)


def image(plot: bytes, *, alt: str) -> str:
    """An SVG file as an element of HTML; `alt` is plain text."""
    # As an image: two SVGs in one document would share their ids.
    source = f"data:image/svg+xml;base64,{base64.b64encode(plot).decode()}"
    return str(Markup('<img src="{}" alt="{}">').format(source, alt))
