import pytest

from preprocessing.errors import InputError
from trainer.runs.metric_rows import Row, Trained, Validated, encode_metric_rows, parse_metric_rows

# Distinct numbers, easy to check by eye. The bits are not computed from the loss.
ROWS: list[Row] = [
    Trained(10, 1, loss=0.5, bits_per_char=0.75, learning_rate=0.1),
    Validated(20, 1, loss=1e-07, bits_per_char=1.5e-07, chars=5),
]
TEXT = (
    b'{"kind": "train", "step": 10, "epoch": 1, "loss": 0.5, "bits_per_char": 0.75, '
    b'"learning_rate": 0.1}\n'
    b'{"kind": "validation", "step": 20, "epoch": 1, "loss": 1e-07, "bits_per_char": 1.5e-07, '
    b'"chars": 5}\n'
)


def test_each_row_is_a_line_with_its_kind_first() -> None:
    assert encode_metric_rows(ROWS) == TEXT


def test_rows_are_read_back_as_they_were_written() -> None:
    assert parse_metric_rows(TEXT, where="m") == ROWS
    assert parse_metric_rows(b"", where="m") == []


@pytest.mark.parametrize(
    "damage",
    [b"", b"{}", b"[1]", b"no JSON", b"\xff", TEXT[:50], TEXT.replace(b"train", b"test"), TEXT.replace(b"loss", b"l")],
)
def test_line_without_row_is_named(damage: bytes) -> None:
    with pytest.raises(
        InputError, match="runs/a/metrics.jsonl: line 3: not a row of metrics: .*: remove the line to go on$"
    ):
        parse_metric_rows(TEXT + damage + b"\n", where="runs/a/metrics.jsonl")
