import logging
import math

import pytest

from preprocessing.progress import Progress, report_progress


def test_items_pass_in_order() -> None:
    assert list(report_progress(iter("abc"), unit="letter", total=3)) == ["a", "b", "c"]


def test_log_has_no_line_before_half_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        list(report_progress(range(1000), unit="number"))
    assert caplog.messages == []


def test_line_is_due_once_in_its_interval() -> None:
    assert [Progress(line_seconds=0).is_due(), Progress(line_seconds=9).is_due()] == [True, False]
    progress = Progress(line_seconds=0.001)
    while not progress.is_due():
        pass
    assert progress.seconds >= 0.001


def test_time_left_is_unknown_before_the_first_part_is_done() -> None:
    progress = Progress()
    assert math.isnan(progress.seconds_left(0))
    assert progress.seconds_left(1) == 0
    assert progress.seconds_left(0.001) > progress.seconds
