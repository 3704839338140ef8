import io
import re
from collections import Counter
from typing import Any

import numpy as np
import pytest

from preprocessing.dataset.statistics import ShardStatistics, read_statistics
from preprocessing.dataset.vocabulary import SEED
from preprocessing.errors import InputError
from tests.support.datasets import count_naively, make_dataset


def read_text(text: str, *, chunk_bytes: int = 1, **changes: Any) -> ShardStatistics:
    dataset, [data] = make_dataset([("train", text)], **changes)
    return read_statistics(io.BytesIO(data), dataset, where="shard", chunk_bytes=chunk_bytes)


def symbol_counts(statistics: ShardStatistics, symbols: str = SEED.symbols) -> dict[str, int]:
    return {symbol: count for symbol, count in zip(symbols, statistics.symbols.tolist(), strict=True) if count}


def lengths(statistics: ShardStatistics) -> list[int]:
    """Return the length of each whole review, sorted."""
    return np.repeat(np.arange(len(statistics.lengths)), statistics.lengths).tolist()


@pytest.mark.parametrize("chunk_bytes", [1, 100, 1 << 20])
@pytest.mark.parametrize(
    ("stride", "text"), [(1, "{ab}{}{abcda"), (2, "{ab}{}{abcd"), (3, "{ab}{}{abcd"), (4, "{ab}{}{ab")]
)
def test_each_character_of_a_window_counts_once(stride: int, text: str, chunk_bytes: int) -> None:
    statistics = read_text("{ab}{}{abcda", window=4, stride=stride, chunk_bytes=chunk_bytes)
    assert symbol_counts(statistics) == Counter(text)
    assert lengths(statistics) == [0, 2]
    assert statistics.cut == 1


@pytest.mark.parametrize(
    ("text", "symbols", "whole", "cut"),
    [
        ("{aab}", {"{": 1, "a": 2, "b": 1, "}": 1}, [3], 0),
        ("{aaba", {"{": 1, "a": 3, "b": 1}, [], 1),
        ("{aa}{", {"{": 2, "a": 2, "}": 1}, [2], 1),
        ("{}{}{", {"{": 3, "}": 2}, [0, 0], 1),
    ],
)
def test_shard_of_one_record_is_counted(text: str, symbols: dict[str, int], whole: list[int], cut: int) -> None:
    statistics = read_text(text)
    assert (symbol_counts(statistics), lengths(statistics), statistics.cut) == (symbols, whole, cut)


def test_review_longer_than_a_chunk_is_counted() -> None:
    statistics = read_text("{" + "a" * 50 + "}{" + "b" * 7 + "}{b")
    assert lengths(statistics) == [7, 50]


def test_symbols_of_two_bytes_are_counted() -> None:
    symbols = "".join(chr(0x4E00 + k) for k in range(300)) + "{}"
    statistics = read_text(
        f"{{{symbols[299]}{symbols[299]}{symbols[0]}}}{{{symbols[43]}", symbols=symbols, window=3, stride=2
    )
    assert symbol_counts(statistics, symbols) == {symbols[0]: 1, symbols[299]: 2, "{": 2, "}": 1}
    assert lengths(statistics) == [3]


@pytest.mark.parametrize("seed", range(20))
def test_counts_equal_those_of_a_naive_reader(seed: int) -> None:
    draw = np.random.default_rng(seed)
    symbols = SEED.symbols if seed % 2 else "".join(chr(0x4E00 + k) for k in range(400)) + "{}"
    reviews = ["".join(draw.choice(list(symbols[:-2]), draw.integers(0, 40))) for _ in range(30)]
    window = int(draw.integers(1, 30))
    text = "".join(f"{{{review}}}" for review in reviews) + "{" * int(draw.integers(0, 2))
    stride, chunk_bytes = int(draw.integers(1, window + 1)), int(draw.integers(1, 2000))
    dataset, data = make_dataset([("train", text)], symbols=symbols, window=window, stride=stride)
    statistics = read_statistics(io.BytesIO(data[0]), dataset, where="shard", chunk_bytes=chunk_bytes)
    expected, whole, cut = count_naively(dataset, data)
    assert symbol_counts(statistics, symbols) == expected
    assert (lengths(statistics), statistics.cut) == (whole, cut)


def test_statistics_of_shards_add_up() -> None:
    first = read_text("{aab}")
    statistics = first + read_text("{}{}{") + read_text("{ab}{abcdefg}")
    assert symbol_counts(statistics) == {"{": 6, "a": 4, "b": 3, "}": 5} | dict.fromkeys("cdefg", 1)
    assert (lengths(statistics), statistics.complete, statistics.cut) == ([0, 0, 2, 3, 7], 5, 1)
    assert (symbol_counts(first), lengths(first), first.cut) == ({"{": 1, "a": 2, "b": 1, "}": 1}, [3], 0)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 99, 100, 101, 1000])
def test_percentile_is_the_length_of_a_review(count: int) -> None:
    values = np.random.default_rng(count).integers(0, 50, count)
    statistics = ShardStatistics(np.zeros(2, np.int64), np.bincount(values), cut=0)
    for percent in (0, 1, 50, 90, 99, 100):
        assert statistics.percentile(percent) == np.percentile(values, percent, method="inverted_cdf")
    assert statistics.mean() == pytest.approx(values.mean(), abs=1e-12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ab}{ab}", "shard: } at character 2, expected { and } in turns"),
        ("{ab}{a{b}", "shard: { at character 6, expected { and } in turns"),
        ("{ab}}ab{}", "shard: } at character 4, expected { and } in turns"),
    ],
)
@pytest.mark.parametrize("chunk_bytes", [1, 1 << 20])
def test_braces_out_of_turn_are_refused(text: str, expected: str, chunk_bytes: int) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(expected)}$"):
        read_text(text, window=2, stride=2, chunk_bytes=chunk_bytes)


def test_id_without_symbol_is_refused() -> None:
    dataset, [data] = make_dataset([("train", "{aab}")], symbols="ab{}")
    with pytest.raises(InputError, match=r"^shard: symbol 7, expected less than 4$"):
        read_statistics(io.BytesIO(data[:-6] + b"\x07" + data[-5:]), dataset, where="shard")
