"""The seed script's model, which all contenders of `benchmarks.train` train."""

SYMBOLS, WINDOW_CHARS, UNITS = 61, 256, (1024, 512)
# Multiplications and additions for one character: each weight of a product once forward and twice backward.
FLOPS = 3 * 2 * (4 * (SYMBOLS + UNITS[0]) * UNITS[0] + 4 * (UNITS[0] + UNITS[1]) * UNITS[1] + UNITS[1] * SYMBOLS)
