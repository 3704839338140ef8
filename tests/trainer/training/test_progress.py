import logging
import sys

import pytest

from trainer.training.progress import TrainingProgress


def train(progress: TrainingProgress, *, start: int, steps: int) -> None:
    for step in range(start + 1, steps + 1):
        progress.end_step(step)
        progress.end_row(step, epoch=2, loss=1.25)


def test_log_has_the_first_row_the_last_row_and_few_between(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        train(TrainingProgress(start=10, steps=100, chars_per_step=5), start=10, steps=100)
    assert len(caplog.messages) == 2
    assert caplog.messages[0].startswith("step 11/100 epoch 2 loss 1.250 nats, ")
    assert caplog.messages[1].startswith("step 100/100 epoch 2 loss 1.250 nats, ")
    assert caplog.messages[1].endswith(" characters/s, 0 s left")


@pytest.mark.parametrize("start", [0, 99])
def test_run_of_few_steps_has_a_last_row(caplog: pytest.LogCaptureFixture, start: int) -> None:
    with caplog.at_level(logging.INFO):
        train(TrainingProgress(start=start, steps=start + 1, chars_per_step=5), start=start, steps=start + 1)
    (line,) = caplog.messages
    assert line.startswith(f"step {start + 1}/{start + 1} ")


def test_bar_shows_characters_done_and_the_loss(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    progress = TrainingProgress(start=10, steps=100, chars_per_step=5)
    progress.end_step(40)
    progress.end_row(40, epoch=2, loss=1.25)
    shown = capsys.readouterr().err.replace(".00", "")
    assert "200/500" in shown
    assert "epoch 2 loss 1.250" in shown
    assert caplog.messages == []
