from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from preprocessing.errors import Stopped
from tests.trainer.data.test_windows import MANIFEST
from trainer.data.windows import Batch
from trainer.training.carry import window_stride
from trainer.training.evaluation import evaluate_carried, evaluate_windows


class FiveWindows:
    """Windows whose ids are their number."""

    def strided_rows(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        rows = np.arange(0, 5, step)
        return np.zeros_like(rows), rows

    def read(self, shards: np.ndarray, rows: np.ndarray, prefetch: Sequence[int]) -> np.ndarray:
        assert len(shards) == len(rows)
        assert list(prefetch) == [0]
        return rows[:, None].repeat(3, axis=1)


def steps(seen: list[list[int]], agreement: Callable[[], bool] = lambda: False) -> Any:
    """Return steps for batches of two rows whose loss is the windows' numbers. A state holds the windows before."""

    def judge(batch: Batch, state: list[Any]) -> tuple[float, float, list[Any]]:
        numbers = batch.ids[:, 0].tolist()
        seen.append(numbers)
        if state:
            rows = zip(numbers, state, batch.weights, strict=True)
            assert all(number == before + 1 for number, before, weight in rows if weight and before >= 0)
        return float(batch.ids[:, 0] @ batch.weights), 2 * float(batch.weights.sum()), numbers if state else []

    return SimpleNamespace(
        batch_windows=2, evaluate_from_state=judge, replica_zero_state=lambda: [-1, -1], agreement=agreement
    )


def test_every_window_counts_once_and_the_last_batch_is_padded() -> None:
    seen: list[list[int]] = []
    found = evaluate_windows(steps(seen), FiveWindows(), stride=1)  # type: ignore[arg-type]
    assert seen == [[0, 1], [2, 3], [4, 4]]
    assert (found.loss, found.chars) == ((0 + 1 + 2 + 3 + 4) / 10, 10)


def test_carried_windows_count_once_in_two_lanes() -> None:
    seen: list[list[int]] = []
    found = evaluate_carried(steps(seen), FiveWindows(), stride=1)  # type: ignore[arg-type]
    assert seen == [[0, 3], [1, 4], [2, 2]]  # the second lane has ended, and its row is padding
    assert (found.loss, found.chars) == ((0 + 1 + 2 + 3 + 4) / 10, 10)


def test_carried_evaluation_of_fewer_windows_than_lanes() -> None:
    seen: list[list[int]] = []
    evaluate_carried(steps(seen), FiveWindows(), stride=5)  # type: ignore[arg-type]
    assert seen == [[0, 0]]


def test_overlapping_windows_are_left_out() -> None:
    seen: list[list[int]] = []
    evaluate_windows(steps(seen), FiveWindows(), stride=3)  # type: ignore[arg-type]
    assert seen == [[0, 3]]


def test_evaluation_stops_between_batches_if_asked() -> None:
    asked = iter([False, True])
    with pytest.raises(Stopped):
        evaluate_windows(steps([], lambda: next(asked)), FiveWindows(), stride=1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("objective", "stride", "step"), [("every", 256, 1), ("every", 128, 2), ("every", 3, 86), ("last", 3, 1)]
)
def test_no_character_is_predicted_twice(objective: str, stride: int, step: int) -> None:
    assert window_stride(objective, replace(MANIFEST, window_chars=256, stride_chars=stride)) == step
    assert objective == "last" or step * stride >= 256
