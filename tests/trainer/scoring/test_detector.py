import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from preprocessing.errors import InputError
from trainer.detection.fit import fit_classifiers
from trainer.scoring.detector import Detector, LengthClassifier, parse_detector
from trainer.scoring.scores import FEATURES, Scores

N = len(FEATURES)


def at(chars: int, *, threshold: float = 0.0) -> LengthClassifier:
    """Judges by the mean bits alone: the log-odds are 2 - bits."""
    ones = (1.0,) * N
    return LengthClassifier(
        chars, (0.0,) * N, ones, (-1.0,) + (0.0,) * (N - 1), 2.0, threshold, genuine=50, generated=60
    )


DETECTOR = Detector("ab" * 32, 0.01, (0.2, 0.8), tuple(FEATURES), (at(4), at(8)), {"python": "3"})


def scores(bits: float, chars: int) -> Scores:
    return Scores(np.full(chars, bits, np.float32), np.ones(chars, np.int32), np.ones(chars, np.float32))


def noisy(bits: float, count: int, chars: int, seed: int) -> list[Scores]:
    random = np.random.default_rng(seed)
    return [
        Scores(
            random.exponential(bits, chars).astype(np.float32),
            random.integers(1, 9, chars).astype(np.int32),
            np.full(chars, 2, np.float32),
        )
        for _ in range(count)
    ]


def test_a_detector_comes_back_from_its_file_as_it_was() -> None:
    assert parse_detector(DETECTOR.to_json(), where="d.json") == DETECTOR


@pytest.mark.parametrize(("chars", "judged"), [(4, 4), (7, 4), (8, 8), (900, 8)])
def test_a_text_is_judged_by_as_many_characters_as_it_has_at_least(chars: int, judged: int) -> None:
    found = DETECTOR.judge(scores(1.0, chars))
    assert (found["verdict"], found["judged_chars"], found["log_odds"]) == ("generated", judged, 1.0)
    assert DETECTOR.judge(scores(3.0, chars))["verdict"] == "not detected"


def test_a_text_shorter_than_all_lengths_gets_no_verdict() -> None:
    assert DETECTOR.judge(scores(1.0, 3)) == {"verdict": "too short", "judged_chars": 0}


def test_a_detector_of_another_checkpoint_is_refused() -> None:
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
def test_a_file_that_is_no_detector_of_ours_is_refused(change: Mapping[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_detector(json.dumps(json.loads(DETECTOR.to_json()) | change).encode(), where="d.json")


@pytest.mark.parametrize(
    "change",
    [{"means": [0.0]}, {"scales": [0.0] * N}, {"threshold": float("nan")}, {"chars": 0}, {"chars": "4"}, {"x": 1}],
)
def test_numbers_that_no_training_makes_are_refused(change: Mapping[str, Any]) -> None:
    values = json.loads(DETECTOR.to_json())
    values["lengths"][0] |= change
    with pytest.raises(InputError, match="d.json: not a detector"):
        parse_detector(json.dumps(values).encode(), where="d.json")


@pytest.mark.parametrize("data", [b"", b"[]", b"\x80\x04pickle", b"{}", b'"x"'])
def test_what_is_no_json_object_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match="d.json: not a detector"):
        parse_detector(data, where="d.json")


def test_fitting_finds_what_has_fewer_bits_and_keeps_to_the_false_alarms_asked_for() -> None:
    genuine, generated = noisy(2.0, 200, 50, 1), noisy(1.2, 200, 50, 2)
    (found,) = fit_classifiers(genuine, generated, [50], rate=0.05, seed=1)
    assert (found.genuine, found.generated) == (200, 200)
    unseen = [found.log_odds(text) > found.threshold for text in noisy(2.0, 400, 50, 3)]
    assert np.mean(unseen) < 0.1
    assert np.mean([found.log_odds(text) > found.threshold for text in noisy(1.2, 400, 50, 4)]) > 0.8
    assert fit_classifiers(genuine, generated, [50], rate=0.05, seed=1) == (found,)
    (stricter,) = fit_classifiers(genuine, generated, [50], rate=0.01, seed=1)
    assert stricter.threshold > found.threshold


def test_a_length_that_too_few_texts_have_is_left_out() -> None:
    genuine, generated = noisy(2.0, 30, 50, 1), noisy(1.0, 30, 60, 2)
    assert [one.chars for one in fit_classifiers(genuine, generated, [50, 60], rate=0.05, seed=1)] == [50]
    with pytest.raises(InputError, match="no length of 60 characters has 10 reviews of each kind: give shorter"):
        fit_classifiers(genuine, generated, [60], rate=0.05, seed=1)
