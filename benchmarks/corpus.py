"""A large file like Kaggle's yelp_training_set.zip, which has 229,907 reviews.

Each review joins the first half of a real review and the second half of another. No pair repeats, so no text repeats.
Lengths, characters and compression stay realistic. Without the real reviews, the demo's grammar invents the halves.
"""

import gzip
import itertools
import json
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from preprocessing import synthetic_reviews

REAL = Path(__file__).parents[2] / "shared" / "data" / "kaggle_format_yelp10k.jsonl.gz"
KAGGLE_REVIEWS = 229_907
MEMBER = "yelp_training_set/yelp_training_set_review.json"
ORIGINALS = 10_000


def write_zip(path: Path, count: int) -> int:
    """Write `count` reviews in Kaggle's zip format, and return their number of characters."""
    characters = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("yelp_training_set/yelp_training_set_business.json", '{"business_id": "b"}\n')
        with archive.open(MEMBER, "w", force_zip64=True) as member:
            for review in reviews(count):
                characters += len(review["text"])
                member.write(json.dumps(review).encode() + b"\n")
    return characters


def reviews(count: int, *, seed: int = 1) -> Iterator[dict[str, Any]]:
    """Generate reviews with Kaggle's keys."""
    originals = list(_originals())
    for number, pair in enumerate(random.Random(seed).sample(range(len(originals) ** 2), count)):
        first, second = (originals[k] for k in divmod(pair, len(originals)))
        text = first["text"][: len(first["text"]) // 2] + second["text"][len(second["text"]) // 2 :]
        yield first | {"review_id": f"{number:022}", "text": text}


def _originals() -> Iterator[dict[str, Any]]:
    if REAL.exists():
        with gzip.open(REAL) as stream:
            yield from map(json.loads, itertools.islice(stream, ORIGINALS))
    else:
        yield from synthetic_reviews.generate_reviews(ORIGINALS, seed=1)
