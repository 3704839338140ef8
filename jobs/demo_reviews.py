"""Invented reviews in the format of Kaggle's, for a first run without the real ones.

python -m jobs.demo_reviews --set output=URL
"""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

from jobs.cli import command
from preprocessing.sources.find import split_url
from preprocessing.synthetic_reviews import generate_reviews
from trainer import config as schema

log = logging.getLogger(__name__)

DEFAULT = Path(__file__).with_name("demo_reviews.yaml")


def main(argv: Sequence[str] | None = None) -> None:
    config, _, rest = command.configured(command.parser(__doc__), schema.DemoReviews, DEFAULT, argv)
    command.refuse(rest)
    lines = (json.dumps(review) + "\n" for review in generate_reviews(config.reviews, seed=config.seed))
    folder, name = split_url(config.output)
    folder.write(name, "".join(lines).encode())
    log.info("%s: %d invented reviews", config.output, config.reviews)


if __name__ == "__main__":
    command.run(main)
