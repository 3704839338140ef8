import pytest

from jobs.terminal.duration import duration


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (3725, "1 h 2 min"), (90000, "1 d 1 h")]
)
def test_a_time_is_told_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text
