"""The sizes that the benchmarks repeat, because PyTorch's interpreter has no package to read YAML."""

from pathlib import Path

from benchmarks.lstm_shapes import SHAPES
from jobs.cli.config import load_config
from trainer.config import TrainConfig


def test_demo_s_shape_is_that_of_the_makefile_and_the_recipe() -> None:
    recipe = load_config(TrainConfig, file=Path("jobs/demo.yaml"), sets=["dataset=d", "runs=r"])
    demo = SHAPES["demo"]
    assert (demo.units, demo.batches) == (tuple(recipe.model.lstm_units), (recipe.batch_windows,))
    windows = f"--set window_chars={demo.window_chars} --set stride_chars={demo.window_chars}"
    assert windows in Path("Makefile").read_text()
