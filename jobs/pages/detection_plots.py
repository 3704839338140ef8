"""The two plots of a detector's evaluation, each as an SVG."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from jobs.pages.svg import drawing, svg
from trainer.detection.rates import Numbers
from trainer.scoring.scores import RANK_NAMES

INCHES = (6, 4)


def roc(genuine: Numbers, generated: Sequence[tuple[str, Numbers]], *, chars: int) -> bytes:
    """The share found over that of false alarms, which has a logarithmic axis: what matters is at its left end."""
    with drawing():
        figure = Figure(INCHES, layout="constrained")
        axes = figure.add_subplot(xscale="log", xlabel="false positive rate", ylabel="true positive rate")
        least = 1 / len(genuine)
        for name, numbers in generated:
            truth = np.repeat([0, 1], [len(genuine), len(numbers)])
            false, true, _ = roc_curve(truth, np.concatenate([genuine, numbers]), drop_intermediate=False)
            # What is found without a false alarm has no place on this axis: it stands at half of the first one.
            axes.plot(np.maximum(false, least / 2), true, label=name, gid=name, drawstyle="steps-post")
        axes.set_xlim(least / 2, 1)
        axes.set_ylim(0, 1.02)
        axes.set_title(f"first {chars} characters, {len(genuine)} genuine texts", fontsize="medium")
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
        return svg(figure)


def ranks(shares: Sequence[tuple[str, Any]]) -> bytes:
    """Side by side for each kind of text, which share [4] of its characters was the model's choice of each rank."""
    with drawing():
        figure = Figure(INCHES, layout="constrained")
        axes = figure.add_subplot(xlabel="rank among the model's choices", ylabel="share of characters")
        width = 0.8 / len(shares)
        for place, (name, share) in enumerate(shares):
            axes.bar(np.arange(len(RANK_NAMES)) + (place - (len(shares) - 1) / 2) * width, share, width, label=name)
        axes.set_xticks(range(len(RANK_NAMES)), RANK_NAMES)
        axes.legend(fontsize="small")
        return svg(figure)
