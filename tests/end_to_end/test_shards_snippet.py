"""The program in docs/dataset.md that reads the shards without this project."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np

from preprocessing.dataset import manifest
from trainer.data.windows import Windows

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/dataset.md").read_text()


def test_the_snippet_reads_the_shards_with_tensorflow_alone(dataset: Path, tmp_path: Path) -> None:
    [snippet] = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    assert len([line for line in snippet.splitlines() if line]) <= 8
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo/dataset").symlink_to(dataset)
    # In isolated mode, Python does not import this project from any current directory.
    done = subprocess.run(
        [sys.executable, "-I", "-c", snippet], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    made = manifest.parse_manifest((dataset / "manifest.json").read_bytes(), where="manifest.json")
    windows = Windows(made.shards_of("train"), made, lambda shard, _: np.fromfile(dataset / shard.name, np.uint8))
    shards, rows = windows.strided_rows(1)
    expected = [made.symbols().decode(ids) for ids in windows.read(shards[:3], rows[:3])]
    assert done.stdout == "".join(f"{text}\n" for text in expected)
