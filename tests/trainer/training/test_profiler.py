import logging
from pathlib import Path

import pytest
import tensorflow as tf

from trainer.training.profiler import Profiler


def traced(folder: Path) -> list[Path]:
    return list(folder.rglob("*.xplane.pb"))


@pytest.mark.parametrize(
    ("first", "steps", "left", "expected"), [(2, 2, 9, 4), (2, 9, 5, 5), (5, 2, 5, 0), (2, 0, 9, 0)]
)
def test_trace_is_written_after_its_last_step_or_the_run_s_last_step(
    tmp_path: Path, first: int, steps: int, left: int, expected: int
) -> None:
    profiler = Profiler(tmp_path, first=first, steps=steps, left=left)
    for done in range(1, left + 1):
        tf.constant(1) + 1
        profiler.end_step()
        assert bool(traced(tmp_path)) == (0 < expected <= done)


def test_trace_that_cannot_be_written_costs_a_log_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    profiler = Profiler(tmp_path / "file/folder", first=1, steps=1, left=9)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            profiler.end_step()
    [line] = caplog.records
    assert line.getMessage().startswith("no profile: ")
    test_trace_is_written_after_its_last_step_or_the_run_s_last_step(tmp_path / "next", 1, 1, 2, 2)
