"""Sizes of the seed script's model, which all contenders of `benchmarks.train` use."""

SYMBOLS, WINDOW_CHARS, UNITS = 61, 256, (1024, 512)
# Operations per character: each weight takes a multiplication and an addition, once forward and twice backward.
FLOPS = 3 * 2 * (4 * (SYMBOLS + UNITS[0]) * UNITS[0] + 4 * (UNITS[0] + UNITS[1]) * UNITS[1] + UNITS[1] * SYMBOLS)
