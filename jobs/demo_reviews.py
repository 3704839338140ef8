"""Write synthetic reviews in the format of Kaggle's, for a first run without the real reviews.

python -m jobs.demo_reviews --set output=URL
"""

import logging
from collections.abc import Sequence

from pydantic import PositiveInt
from pydantic.dataclasses import dataclass

from jobs.cli import command
from preprocessing.json_format import format_json
from preprocessing.settings import REQUIRED, STRICT, Seed, Url, key
from preprocessing.storage.urls import split_url
from preprocessing.synthetic_reviews import generate_reviews

log = logging.getLogger(__name__)


@dataclass(frozen=True, config=STRICT, kw_only=True)
class DemoReviewsConfig:
    """Configuration of jobs.demo_reviews."""

    output: Url = key(REQUIRED, "URL of the file, JSON lines in the format of Kaggle's reviews")
    reviews: PositiveInt = key(2500, "reviews; about 315 characters each")
    seed: Seed = key(1, "seed; review k depends on (seed, k) alone")


def main(argv: Sequence[str] | None = None) -> None:
    config, _ = command.parse_args(command.parser(__doc__), DemoReviewsConfig, argv)
    lines = (format_json(review) + "\n" for review in generate_reviews(config.reviews, seed=config.seed))
    folder, name = split_url(config.output)
    folder.write(name, "".join(lines).encode())
    log.info("%s: %d synthetic reviews", config.output, config.reviews)


if __name__ == "__main__":
    command.run(main)
