"""Sizes of the models that `benchmarks.train` measures: the seed script's, and that of jobs/demo.yaml."""

from dataclasses import dataclass

SYMBOLS, WINDOW_CHARS, UNITS = 61, 256, (1024, 512)  # the seed script's
DEMO_WINDOW_CHARS = 32  # as in the Makefile


@dataclass(frozen=True)
class Shape:
    """Units of each LSTM layer, characters of a window, and the batches to measure, in windows."""

    units: tuple[int, ...]
    window_chars: int
    batches: tuple[int, ...]

    @property
    def flops(self) -> int:
        """Operations per character: each weight takes a multiplication and an addition, forward and twice backward."""
        inputs = (SYMBOLS, *self.units[:-1])
        layers = sum(4 * (below + units) * units for below, units in zip(inputs, self.units, strict=True))
        return 3 * 2 * (layers + self.units[-1] * SYMBOLS)


SHAPES = {"seed": Shape(UNITS, WINDOW_CHARS, (128, 256)), "demo": Shape((384,), DEMO_WINDOW_CHARS, (128,))}
