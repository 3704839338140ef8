"""The page of a dataset: its description, with plots."""

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from jobs.pages.html import render
from jobs.pages.svg import create_axes, drawing, image
from jobs.terminal.dataset import LENGTHS, SPLITS, SYMBOLS, Section, symbols_by_count
from preprocessing.dataset.manifest import Manifest
from preprocessing.dataset.statistics import ShardStatistics

BINS = 50
INCHES = (10, 3)
BARS = 100  # symbols: the eye cannot tell more bars apart


def dataset_page(sections: Sequence[Section], manifest: Manifest, statistics: ShardStatistics) -> bytes:
    """Render the page. The same dataset gives the same bytes."""
    plots = _plots(manifest, statistics)
    return render(
        "dataset.html.j2",
        title=f"Dataset {manifest.fingerprint[:8]}",
        sections=[(section, plots.get(section.title, "")) for section in sections],
    )


def _plots(manifest: Manifest, statistics: ShardStatistics) -> Mapping[str, Markup]:
    """Draw the plots of the sections that have one, by the section's title."""
    with drawing():
        figures = {SPLITS: _plot_sizes(manifest), SYMBOLS: _plot_symbols(manifest, statistics)}
        if statistics.complete:
            figures[LENGTHS] = _plot_lengths(statistics)
        return {title: image(figure, alt=f"{title}, plotted") for title, figure in figures.items()}


def _plot_sizes(manifest: Manifest) -> Figure:
    figure, axes = create_axes(INCHES, xlabel="characters")
    sizes = [split["characters"] for split in manifest.splits.values()]
    axes.bar_label(axes.barh(list(manifest.splits), sizes), fmt="{:,.0f}", padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.15)  # room for the numbers
    return figure


def _plot_lengths(statistics: ShardStatistics) -> Figure:
    last = statistics.percentile(99)  # a few very long reviews would squeeze all others into one bar
    counts = statistics.lengths[: last + 1]
    step = -(-len(counts) // BINS)
    reviews, edges = np.histogram(np.arange(len(counts)), np.arange(0, len(counts) + step, step), weights=counts)
    longer = statistics.complete - int(counts.sum())
    label = f"characters ({longer:,} longer reviews not plotted)" if longer else "characters"
    figure, axes = create_axes(INCHES, xlabel=label, ylabel="reviews")
    axes.stairs(reviews, edges, fill=True)
    return figure


def _plot_symbols(manifest: Manifest, statistics: ShardStatistics) -> Figure:
    counts = symbols_by_count(manifest, statistics)
    plotted = counts[:BARS]
    label = f"the {BARS} most frequent of {len(counts):,} symbols" if len(counts) > BARS else "symbols"
    figure, axes = create_axes(INCHES, xlabel=label, ylabel="occurrences")
    axes.bar(range(len(plotted)), [count for _, count in plotted])
    names = ["␣" if name == "space" else name for name, _ in plotted]
    rotation = 90 if max(map(len, names)) > 2 else 0  # escapes are too wide to stand side by side
    axes.set_xticks(range(len(plotted)), names, fontsize=7, rotation=rotation)
    axes.margins(x=0.01)
    return figure
