import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from preprocessing.errors import InputError
from trainer.scoring.detector import Detector, LengthClassifier, parse_detector
from trainer.scoring.scores import FEATURES, Scores

N = len(FEATURES)


def at(chars: int, *, threshold: float = 0.0) -> LengthClassifier:
    """Return a classifier by the mean bits alone: the log-odds are 2 - bits."""
    ones = (1.0,) * N
    return LengthClassifier(
        chars, (0.0,) * N, ones, (-1.0,) + (0.0,) * (N - 1), 2.0, threshold, genuine=50, generated=60
    )


DETECTOR = Detector("ab" * 32, 0.01, (0.2, 0.8), tuple(FEATURES), (at(4), at(8)), {"python": "3"})


def scores(bits: float, chars: int) -> Scores:
    return Scores(np.full(chars, bits, np.float32), np.ones(chars, np.int32), np.ones(chars, np.float32))


def test_detector_is_read_as_it_was_written() -> None:
    assert DETECTOR.to_json().startswith(b'{\n "format": 1,\n "checkpoint": "abab')
    assert parse_detector(DETECTOR.to_json(), where="d.json") == DETECTOR


@pytest.mark.parametrize(("chars", "judged"), [(4, 4), (7, 4), (8, 8), (900, 8)])
def test_text_is_judged_by_the_greatest_length_that_it_has(chars: int, judged: int) -> None:
    found = DETECTOR.judge(scores(1.0, chars))
    assert (found["verdict"], found["judged_chars"], found["log_odds"]) == ("generated", judged, 1.0)
    assert DETECTOR.judge(scores(3.0, chars))["verdict"] == "not detected"


def test_text_shorter_than_all_lengths_gets_no_verdict() -> None:
    assert DETECTOR.judge(scores(1.0, 3)) == {"verdict": "too short", "judged_chars": 0}


def test_detector_of_another_checkpoint_is_refused() -> None:
    DETECTOR.require_checkpoint("ab" * 32, where="d.json")
    with pytest.raises(InputError, match="d.json: made for checkpoint abababab, the run's newest is cdcdcdcd: make"):
        DETECTOR.require_checkpoint("cd" * 32, where="d.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "d.json: not a detector: format 2, expected at most 1: written by a newer version"),
        ({"format": 0}, "d.json: not a detector: format=0: expected greater than or equal to 1"),
        ({"features": ["bits"]}, "d.json: made with other features"),
        ({"lengths": []}, "d.json: not a detector: lengths=.*: expected to have at least 1 item"),
        ({"checkpoint": 5}, "d.json: not a detector: checkpoint=5: expected a valid string"),
        ({"false_positive_rate": 2}, "d.json: not a detector: false_positive_rate=2: expected less than 1"),
        ({"more": 1}, "d.json: not a detector: more=1: unknown key"),
        ({"lengths": [{"chars": 4}]}, "d.json: not a detector: lengths.0.means: missing"),
    ],
)
def test_wrong_value_or_format_is_named(change: Mapping[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_detector(json.dumps(json.loads(DETECTOR.to_json()) | change).encode(), where="d.json")


@pytest.mark.parametrize(
    "change",
    [{"means": [0.0]}, {"scales": [0.0] * N}, {"threshold": float("nan")}, {"chars": 0}, {"chars": "4"}, {"x": 1}],
)
def test_impossible_numbers_are_refused(change: Mapping[str, Any]) -> None:
    values = json.loads(DETECTOR.to_json())
    values["lengths"][0] |= change
    with pytest.raises(InputError, match="d.json: not a detector"):
        parse_detector(json.dumps(values).encode(), where="d.json")


@pytest.mark.parametrize("data", [b"", b"[]", b"\x80\x04pickle", b"{}", b'"x"'])
def test_file_that_is_no_json_object_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match="d.json: not a detector"):
        parse_detector(data, where="d.json")
