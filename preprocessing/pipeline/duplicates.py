"""Reviews that repeat the text of another review."""

from collections.abc import Iterable, Iterator

from preprocessing.pipeline.keys import KeyedReview


def find_duplicates(reviews: Iterable[KeyedReview]) -> Iterator[tuple[KeyedReview, KeyedReview | None]]:
    """Yield each review in the shard's order, with the review that it repeats or None.

    All reviews of one normalized text have one text key. The first in the shard's order stays.
    """
    original: KeyedReview | None = None
    for review in sorted(reviews):
        if original is not None and review.text_key == original.text_key:
            yield review, original
        else:
            original = review
            yield review, None
