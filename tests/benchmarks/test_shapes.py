"""The sizes that the benchmarks repeat, because PyTorch's interpreter reads no YAML."""

from pathlib import Path

import yaml

from benchmarks.lstm_shapes import SHAPES


def test_demo_s_shape_is_that_of_the_makefile_and_the_recipe() -> None:
    recipe = yaml.safe_load(Path("jobs/demo.yaml").read_text())
    demo = SHAPES["demo"]
    assert (list(demo.units), demo.batches) == (recipe["model"]["lstm_units"], (recipe["batch_windows"],))
    windows = f"--set window_chars={demo.window_chars} --set stride_chars={demo.window_chars}"
    assert windows in Path("Makefile").read_text()
