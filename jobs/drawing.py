"""Plots of matplotlib as SVG images in a page that needs no other file; the same bytes for the same numbers."""

import base64
import html
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib
from matplotlib.figure import Figure


@contextmanager
def drawing() -> Iterator[None]:
    """For figures to be made and saved in: matplotlib as it comes, whatever the user's own settings."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the reader's fonts will have it, matplotlib's need not
        matplotlib.rcdefaults()  # the reader's own matplotlibrc must not change the bytes
        # Ids inside an SVG are random without a salt. Text stays text, for the reader's fonts.
        matplotlib.rcParams.update({"svg.hashsalt": "drawing", "svg.fonttype": "none"})
        yield


def svg(figure: Figure) -> bytes:
    """The figure as an SVG file."""
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()


def image(plot: bytes, *, alt: str) -> str:
    """An SVG file as an element of HTML; `alt` is plain text."""
    # As an image: two SVGs in one document would share their ids.
    source = f"data:image/svg+xml;base64,{base64.b64encode(plot).decode()}"
    return f'<img src="{source}" alt="{html.escape(alt)}">'
