import logging

import pytest

from jobs.terminal.progress import Bar, Lines, progress


def test_a_log_gets_the_first_row_the_last_one_and_few_between(caplog: pytest.LogCaptureFixture) -> None:
    lines = Lines(start=10, steps=100, chars_per_step=5)
    with caplog.at_level(logging.INFO):
        for done in range(11, 101):
            lines.step(done)
            lines.row(done, epoch=2, loss=1.25)
    assert len(caplog.messages) == 2
    assert caplog.messages[0].startswith("step 11/100 epoch 2 loss 1.250 nats, ")
    assert caplog.messages[1].startswith("step 100/100 epoch 2 loss 1.250 nats, ")
    assert caplog.messages[1].endswith(" characters/s, 0 s left")


def test_a_bar_shows_characters_done_and_the_loss(capsys: pytest.CaptureFixture[str]) -> None:
    bar = Bar(start=10, steps=100, chars_per_step=5)
    bar.step(40)
    bar.row(40, epoch=2, loss=1.25)
    bar.row(40, epoch=2, loss=1.25)
    assert "200/500" in capsys.readouterr().err.replace(".00", "")


def test_without_a_terminal_there_are_lines() -> None:
    assert isinstance(progress(start=0, steps=1, chars_per_step=1), Lines)
