import pytest
from rich.console import Console

from jobs.history.status import Status
from jobs.terminal.status import changes, curve, status_line, status_view
from trainer.runs.samples import EpochSamples, Sample

UNDER_WAY = Status(
    run="gs://reviews/runs/night",
    state="under way",
    step=1200,
    steps=4000,
    epoch=1.5,
    epochs=5,
    training=[3.0, 2.5, 2.25],
    validation=[2.2, 2.4],
    chars_per_second=7000.4,
    seconds_left=3725,
    saved_seconds=42,
    restarts=2,
    samples=EpochSamples(
        1, 800, (Sample(0.2, "the food", " was"), Sample(0.5, "the food", " is\nso"), Sample(0.8, "", "x"))
    ),
)


def test_line_has_all_known_facts() -> None:
    assert status_line(UNDER_WAY) == (
        "under way: step 1,200 of 4,000, epoch 1.50 of 5, training 2.250 bits per character, "
        "validation 2.400 bits per character, 2.200 at best, rate 7,000 characters/s, left 1 h 2 min, saved 42 s ago, "
        "restarts 2"
    )


def test_live_view_has_facts_curve_sample_and_error() -> None:
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(status_view(UNDER_WAY, error="the store is away"))
    text = console.export_text()
    for part in ("gs://reviews/runs/night", "under way", "1,200 of 4,000", "█▃▁", "the store is away"):
        assert part in text
    assert "sample, epoch 1, diversity 0.5" in text
    assert r"the food│ is\nso" in text


def test_curve_is_scaled_between_lowest_and_highest_loss() -> None:
    assert curve([3, 2, 1]) == "█▅▁"
    assert curve([1, 1]) == "▁▁"
    assert len(curve([1.0] * 1000)) == 60


def test_an_unreachable_store_is_logged_once_and_an_old_status_is_not_printed_again_after_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    polls = [(UNDER_WAY, ""), (UNDER_WAY, ""), (UNDER_WAY, "away"), (UNDER_WAY, "away"), (UNDER_WAY, "")]
    assert list(changes(iter(polls))) == [UNDER_WAY]
    assert caplog.messages == ["away"]
