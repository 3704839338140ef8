"""Texts as an HTML page, each character in the colour of its rank."""

from collections.abc import Sequence

from jobs.pages.html import heading, paragraph
from jobs.pages.html import page as html
from jobs.terminal import ranks
from trainer.scoring.reviews import Alphabet, Scored


def page(shown: Sequence[Scored], alphabet: Alphabet, *, of: int) -> bytes:
    """The file's bytes, of these texts, the first of so many."""
    parts = [paragraph(", ".join(ranks.legend()))]
    if len(shown) < of:
        parts.append(paragraph(f"The first {len(shown)} of {of:,} reviews."))
    for one in shown:
        parts.append(heading(f"{one.text.found.line}, {one.scores.bits_per_char:.2f} bits per character", level=3))
        parts.append(ranks.for_page(alphabet.decode(one.ids[1:]), one.scores))
    return html("Reviews by the model's rank of each character", parts)
