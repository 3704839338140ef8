"""A description as an HTML page, with plots drawn by matplotlib."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from jobs.pages import html
from jobs.pages.html import heading, plain
from jobs.pages.svg import drawing, image, svg
from jobs.terminal.dataset import LENGTHS, SPLITS, SYMBOLS, Section, ranked
from jobs.terminal.table import named
from preprocessing.dataset.manifest import Manifest
from preprocessing.dataset.statistics import Contents

BINS = 50
BARS = 100  # symbols: more would not be told apart
INCHES = (10, 3)


def page(title: str, sections: Sequence[Section], manifest: Manifest, contents: Contents) -> bytes:
    """The file's bytes, the same for the same dataset."""
    plots = _plots(manifest, contents)
    parts = [part for section in sections for part in _section(section, plots.get(section.title))]
    return html.page(title, parts)


def _section(section: Section, plot: bytes | None) -> list[str]:
    images = [image(plot, alt=f"{section.title}, plotted")] if plot else []
    return [heading(section.title), *images, plain(section.lines)]


def _plots(manifest: Manifest, contents: Contents) -> Mapping[str, bytes]:
    """An SVG for each section that has one."""
    with drawing():
        plots = {SPLITS: svg(_sizes(manifest)), SYMBOLS: svg(_frequencies(manifest, contents))}
        if contents.whole:
            plots[LENGTHS] = svg(_histogram(contents))
    return plots


def _sizes(manifest: Manifest) -> Figure:
    figure = Figure(INCHES, layout="constrained")
    axes = figure.add_subplot(xlabel="characters")
    sizes = [split["characters"] for split in manifest.splits.values()]
    axes.bar_label(axes.barh(list(manifest.splits), sizes), fmt="{:,.0f}", padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.15)  # room for the numbers
    return figure


def _histogram(contents: Contents) -> Figure:
    figure = Figure(INCHES, layout="constrained")
    last = contents.percentile(99)  # a few very long reviews would squeeze all others into one bar
    shown = contents.lengths[: last + 1]
    step = -(-len(shown) // BINS)
    reviews, edges = np.histogram(np.arange(len(shown)), np.arange(0, len(shown) + step, step), weights=shown)
    beyond = contents.whole - int(shown.sum())
    label = f"characters ({beyond:,} reviews are longer than shown)" if beyond else "characters"
    figure.add_subplot(xlabel=label, ylabel="reviews").stairs(reviews, edges, fill=True)
    return figure


def _frequencies(manifest: Manifest, contents: Contents) -> Figure:
    figure = Figure(INCHES, layout="constrained")
    counts = ranked(manifest, contents)
    shown = counts[:BARS]
    label = f"the {BARS} most frequent of {len(counts):,} symbols" if len(counts) > BARS else "symbols"
    axes = figure.add_subplot(xlabel=label, ylabel="occurrences")
    axes.bar(range(len(shown)), [count for _, count in shown])
    names = ["␣" if symbol == " " else named(symbol) for symbol, _ in shown]
    rotation = 90 if max(map(len, names)) > 2 else 0  # escapes are too wide to stand side by side
    axes.set_xticks(range(len(shown)), names, fontsize=7, rotation=rotation)
    axes.margins(x=0.01)
    return figure
