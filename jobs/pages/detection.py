"""The page of a detector's evaluation: ROC curves, ranks, the table, and colored texts."""

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from sklearn.metrics import roc_curve

from jobs.pages.html import render
from jobs.pages.svg import create_axes, drawing, image
from jobs.terminal.detection import LIMITS, rates_note, rates_table
from jobs.terminal.ranks import group_by_rank, rank_legend
from trainer.detection.evaluate import EvaluationRow, compute_log_odds
from trainer.detection.rates import Numbers
from trainer.detection.review_scorer import GENUINE, THIS_RUN, ScoredTexts
from trainer.scoring.detector import Detector
from trainer.scoring.scored_reviews import TextCodec
from trainer.scoring.scores import FEATURES, RANK_NAMES

PLOTTED_CHARS = 400  # or else the detector's smallest length
INCHES = (6, 4)


def detection_page(
    name: str,
    detector: Detector,
    genuine: ScoredTexts,
    generated: Sequence[ScoredTexts],
    rows: Sequence[EvaluationRow],
    codec: TextCodec,
) -> bytes:
    """Render the page."""
    return render(
        "detection.html.j2",
        title=f"Detector {name}",
        checkpoint=detector.checkpoint[:8],
        false_positive_rate=f"{detector.false_positive_rate:g}",
        plot_images=list(_plots(detector, genuine, generated)),
        table=rates_table(rows),
        note=rates_note(rows),
        features=[f"{feature}: {meaning}" for feature, meaning in FEATURES.items()],
        legend=rank_legend(),
        texts=[
            (f"{kind.source} {kind.label}", group_by_rank(codec.decode(kind.ids[0][1:-1]), kind.scores[0]))
            for kind in (genuine, *generated)
            if kind.scores
        ],
        limits=LIMITS,
    )


def _plots(detector: Detector, genuine: ScoredTexts, generated: Sequence[ScoredTexts]) -> Iterator[Markup]:
    at_length = detector.classifier_for(PLOTTED_CHARS) or detector.lengths[0]
    real = genuine.at_least(at_length.chars)
    fake = [texts for texts in (kind.at_least(at_length.chars) for kind in generated) if texts.scores]
    if not real.scores or not fake:
        return
    title = f"first {at_length.chars} characters, {len(real.scores)} genuine texts"
    for source, kinds in groupby(fake, key=lambda texts: texts.source):  # all sources in one plot would be a tangle
        log_odds_by_name = {f"{source} {texts.label}": compute_log_odds(at_length, texts) for texts in kinds}
        yield _plot_roc(compute_log_odds(at_length, real), log_odds_by_name, source=source, title=title)
    yield _plot_ranks([texts for texts in (real, *fake) if texts.source in (GENUINE, THIS_RUN)])


def _plot_roc(genuine: Numbers, generated: dict[str, Numbers], *, source: str, title: str) -> Markup:
    """Plot true over false positive rate on a logarithmic axis: low false positive rates matter most."""
    with drawing():
        figure, axes = create_axes(INCHES, xscale="log", xlabel="false positive rate", ylabel="true positive rate")
        smallest = 1 / len(genuine)
        for name, numbers in generated.items():
            truth = np.repeat([0, 1], [len(genuine), len(numbers)])
            false, true, _ = roc_curve(truth, np.concatenate([genuine, numbers]), drop_intermediate=False)
            # Rate 0 has no position on a logarithmic axis: it is drawn at half of the smallest rate.
            axes.plot(np.maximum(false, smallest / 2), true, label=name, gid=name, drawstyle="steps-post")
        axes.set_xlim(smallest / 2, 1)
        axes.set_ylim(0, 1.02)
        axes.set_title(title, fontsize="medium")
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
        return image(figure, alt=f"{source}: true over false positive rate")


def _plot_ranks(kinds: Sequence[ScoredTexts]) -> Markup:
    """Plot for each kind of text the share [4] of its characters in each class of rank."""
    with drawing():
        figure, axes = create_axes(INCHES, xlabel="rank among the model's choices", ylabel="share of characters")
        width = 0.8 / len(kinds)
        for number, texts in enumerate(kinds):
            x = np.arange(len(RANK_NAMES)) + (number - (len(kinds) - 1) / 2) * width
            axes.bar(x, _rank_shares(texts), width, label=f"{texts.source} {texts.label}")
        axes.set_xticks(range(len(RANK_NAMES)), RANK_NAMES)
        axes.legend(fontsize="small")
        return image(figure, alt="ranks of the characters of genuine and generated texts")


def _rank_shares(texts: ScoredTexts) -> npt.NDArray[np.float64]:
    counts = np.sum([scores.histogram for scores in texts.scores], axis=0)
    return np.asarray(counts / counts.sum())
