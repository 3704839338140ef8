import json

from preprocessing.pipeline.keys import SourceLine
from preprocessing.pipeline.rejected import LINES, RejectedLines, format_rejected_lines, rejected_file_name


def test_rows_come_back_in_the_order_of_the_lines_with_their_files_numbers() -> None:
    one, other = RejectedLines(), RejectedLines()
    one.add(SourceLine(1, 2, 9), "not JSON")
    one.add(SourceLine(1, 2, 3), SourceLine(0, 1, 5))
    other.add(SourceLine(1, 2, 4), "no text")
    packed = [rows for rejections in (other, one) for _, rows in rejections.drain()]
    first_lines = {(0, 0): 0, (0, 1): 20, (1, 0): 0, (1, 1): 100, (1, 2): 300}
    lines = (
        format_rejected_lines((1, 2, 0), packed, names=["a.json", "b.json"], first_lines=first_lines)
        .decode()
        .splitlines()
    )
    assert [json.loads(line) for line in lines] == [
        {"source": "b.json", "line": 303, "reason": "same text as a.json line 25"},
        {"source": "b.json", "line": 304, "reason": "no text"},
        {"source": "b.json", "line": 309, "reason": "not JSON"},
    ]


def test_a_file_answers_for_some_lines_of_a_part() -> None:
    rejections = RejectedLines()
    for line in (SourceLine(0, 0, LINES - 1), SourceLine(0, 0, LINES), SourceLine(0, 1, 1), SourceLine(1, 0, 1)):
        rejections.add(line, "not JSON")
    keys = [key for key, _ in rejections.drain()]
    assert keys == [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)]
    assert list(rejections.drain()) == []
    names = [rejected_file_name(key, "f00df00d") for key in keys]
    assert names[1] == "rejected/f00df00d-000-00000-00001.jsonl"
    assert names == sorted(names)


def test_rows_are_handed_on_before_they_are_many() -> None:
    rejections = RejectedLines()
    added = 0
    while not rejections.is_full:
        rejections.add(SourceLine(0, 0, added), "not JSON")
        added += 1
    assert added == 10_000
    list(rejections.drain())
    assert not rejections.is_full
