import pytest

from jobs.terminal.table import format_columns, format_table, name_symbol


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        *(("a", "a"), ("é", "é"), ("寿", "寿"), (" ", "space"), ("\n", "\\n"), ("\\", "\\\\"), ("\x1b", "\\x1b")),
        *(("\xa0", "\\xa0"), ("\u0301", "\\u0301"), ("\u200b", "\\u200b"), ("\ud800", "\\ud800")),
    ],
)
def test_name_of_a_symbol_is_visible(symbol: str, expected: str) -> None:
    assert name_symbol(symbol) == expected


def test_columns_are_aligned_though_some_symbols_are_twice_as_wide() -> None:
    assert format_table("<>", [("寿", "1"), ("abc", "20")]) == ["寿    1", "abc  20"]
    assert format_columns(["寿 1", "b", "c"], width=12) == ["寿 1    c", "b"]
    assert format_columns(["寿 1", "b", "c"], width=11) == ["寿 1", "b", "c"]
    assert format_table("<>", []) == format_columns([], width=9) == []
