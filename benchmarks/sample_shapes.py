"""What the contenders of `benchmarks.sample` are asked for."""

import argparse

DIVERSITY = 0.5


def arguments() -> argparse.Namespace:
    """The units of the layers, and how many texts are to be made."""
    found = argparse.ArgumentParser()
    found.add_argument("--units", type=int, nargs="+", required=True)
    found.add_argument("--rows", type=int, required=True)
    return found.parse_args()
