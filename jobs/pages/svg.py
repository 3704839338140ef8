"""matplotlib figures as inline SVG images of an HTML page. The same numbers give the same bytes.

The images have no background, and their ink is light if the reader's browser prefers dark pages.
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
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#1f2329"  # of axes and text alone: image() replaces this color with the browser's text color
STYLE = b"<style>svg{color:#1f2329}@media(prefers-color-scheme:dark){svg{color:#d5d9de}}</style>"
# Blue, orange, green, red, purple, grey: distinct on white, on black, and for most color-blind readers.
COLORS = ("#3b82c4", "#d9822b", "#2f9e7a", "#d64550", "#8e6bbf", "#7c8894")
SETTINGS: Any = {
    "svg.hashsalt": "drawing",  # ids inside an SVG are random without a salt
    "svg.fonttype": "none",  # text stays text, in the reader's fonts
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
    """Use this module's matplotlib settings for the figures made and converted in the block."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the reader's fonts may have the glyph
        matplotlib.rcdefaults()  # a matplotlibrc of the user must not change the bytes
        matplotlib.rcParams.update(SETTINGS)
        yield


def create_axes(inches: tuple[float, float], **labels: Any) -> tuple[Figure, Axes]:
    """Create a figure of `inches` (width, height) with one plot, and return both."""
    figure = Figure(inches, layout="constrained")
    return figure, figure.add_subplot(**labels)


def image(figure: Figure, *, alt: str) -> Markup:
    """Convert a figure to an <img> element with a data URL. `alt` is plain text."""
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    svg = file.getvalue().replace(INK.encode(), b"currentColor").replace(b"<defs>", STYLE + b"<defs>", 1)
    # Not inline <svg>: the ids of two SVGs in one document would collide.
    source = f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
    return Markup('<img src="{}" alt="{}">').format(source, alt)
