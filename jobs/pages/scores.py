"""The page of scored reviews, each character in the color of its rank."""

from collections.abc import Sequence

from jobs.pages.html import render
from jobs.terminal.ranks import group_by_rank, rank_legend
from trainer.scoring.scored_reviews import ScoredReview, TextCodec


def scores_page(reviews: Sequence[ScoredReview], codec: TextCodec, *, total: int) -> bytes:
    """Render the page of the first reviews of `total`."""
    return render(
        "scores.html.j2",
        title="Reviews by the model's rank of each character",
        legend=rank_legend(),
        total=total,
        reviews=[
            (
                f"{review.line.parsed.line}, {review.scores.bits_per_char:.2f} bits per character",
                group_by_rank(codec.decode(review.ids[1:]), review.scores),
            )
            for review in reviews
        ],
    )
