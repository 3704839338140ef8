"""The arguments of the contenders of `benchmarks.sample`."""

import argparse

DIVERSITY = 0.5


def parse_arguments() -> argparse.Namespace:
    """Parse the arguments: `units` of each layer, and `rows`, the number of texts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--units", type=int, nargs="+", required=True)
    parser.add_argument("--rows", type=int, required=True)
    return parser.parse_args()
