"""What a dataset is said to hold, held against a reader that goes through it character by character."""

import base64
import hashlib
import io
import os
import re
import shutil
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from jobs import describe
from jobs.terminal.table import format_columns, format_table, name_symbol
from preprocessing.dataset import manifest, records
from preprocessing.dataset.folder import open_dataset
from preprocessing.dataset.manifest import Manifest, Shard
from preprocessing.dataset.statistics import ShardStatistics, read_statistics
from preprocessing.dataset.vocabulary import SEED, Vocabulary
from preprocessing.errors import InputError
from preprocessing.storage.urls import open_bucket


def made(
    texts: Sequence[tuple[str, str]], *, symbols: str = SEED.symbols, window: int = 4, stride: int = 4, **fields: Any
) -> tuple[Manifest, list[bytes]]:
    """A dataset of one shard for each split and text, made by hand; `fields` change the manifest."""
    vocabulary = Vocabulary(symbols)
    record_bytes = records.record_bytes((window + 1) * vocabulary.dtype.itemsize)
    data, shards = [], []
    for k, (split, text) in enumerate(texts):
        rows = records.cut_windows(vocabulary.encode(text)[0], window_chars=window, stride_chars=stride)
        data.append(records.frame(rows).tobytes())
        digest = hashlib.sha256(data[-1]).hexdigest()
        name, size = f"{split}-{k}.tfrecord", len(data[-1])
        shards.append(Shard(name, split, records=len(rows), bytes=size, sha256=digest, crc32c=""))
    values: dict[str, Any] = {
        "fingerprint": "f00df00df00d",
        "settings": {"window_chars": window, "stride_chars": stride, "vocabulary": symbols, "lowercase": True},
        "sources": ({"name": "r.json", "bytes": 1234, "crc32c": "AAAAAA=="},),
        "counts": {"read": 3, "kept": 3, "duplicate": 0, "rejected": {}, "dropped": {}},
        "splits": {
            split: {
                "reviews": sum(text.count("{") for own, text in texts if own == split),
                "characters": sum(len(text) for own, text in texts if own == split),
                "tail": 0,
                "windows": sum(shard.records for shard in shards if shard.split == split),
            }
            for split in manifest.SPLITS
        },
    }
    dataset = Manifest(
        format=1,
        shard_rule="as asked for",
        vocabulary=symbols,
        window_chars=window,
        stride_chars=stride,
        dtype=vocabulary.dtype.name,
        record_bytes=record_bytes,
        shards=tuple(shards),
        **(values | fields),
    )
    return dataset, data


def written(folder: Path, dataset: Manifest, data: list[bytes]) -> Path:
    folder.mkdir()
    for shard, content in zip(dataset.shards, data, strict=True):
        (folder / shard.name).write_bytes(content)
    (folder / manifest.NAME).write_bytes(dataset.to_json())
    return folder


def read(text: str, *, chunk_bytes: int = 1, **changes: Any) -> ShardStatistics:
    dataset, [data] = made([("train", text)], **changes)
    return read_statistics(io.BytesIO(data), dataset, where="shard", chunk_bytes=chunk_bytes)


def occurring(found: ShardStatistics, symbols: str = SEED.symbols) -> dict[str, int]:
    return {symbol: count for symbol, count in zip(symbols, found.symbols.tolist(), strict=True) if count}


def lengths(found: ShardStatistics) -> list[int]:
    """Of each whole review, sorted."""
    return np.repeat(np.arange(len(found.lengths)), found.lengths).tolist()


def naive(dataset: Manifest, shards: Sequence[bytes]) -> tuple[Counter[str], list[int], int]:
    """Symbols, sorted lengths of the whole reviews, and how many are cut, one character after the other."""
    symbols: Counter[str] = Counter()
    whole, cut = [], 0
    for data in shards:
        text = ""
        for start in range(0, len(data), dataset.record_bytes):
            record = data[start : start + dataset.record_bytes - 4]
            ids = np.frombuffer(record[-(dataset.window_chars + 1) * dataset.id_dtype().itemsize :], dataset.dtype)
            window = "".join(dataset.vocabulary[k] for k in ids)
            text += window[-dataset.stride_chars :] if text else window
        length = None
        for symbol in text:
            symbols[symbol] += 1
            if symbol == "{":
                length = 0
            elif symbol == "}":
                assert length is not None
                whole.append(length)
                length = None
            elif length is not None:
                length += 1
        cut += length is not None
    return symbols, sorted(whole), cut


def say(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    describe.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def error(*arguments: object) -> str:
    with pytest.raises(InputError) as raised:
        describe.main([str(argument) for argument in arguments])
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("chunk_bytes", [1, 100, 1 << 20])
@pytest.mark.parametrize(
    ("stride", "held"), [(1, "{ab}{}{abcda"), (2, "{ab}{}{abcd"), (3, "{ab}{}{abcd"), (4, "{ab}{}{ab")]
)
def test_each_character_that_a_window_holds_counts_once(stride: int, held: str, chunk_bytes: int) -> None:
    found = read("{ab}{}{abcda", window=4, stride=stride, chunk_bytes=chunk_bytes)
    assert occurring(found) == Counter(held)
    assert lengths(found) == [0, 2]
    assert found.cut == 1


@pytest.mark.parametrize(
    ("text", "symbols", "whole", "cut"),
    [
        ("{aab}", {"{": 1, "a": 2, "b": 1, "}": 1}, [3], 0),
        ("{aaba", {"{": 1, "a": 3, "b": 1}, [], 1),
        ("{aa}{", {"{": 2, "a": 2, "}": 1}, [2], 1),
        ("{}{}{", {"{": 3, "}": 2}, [0, 0], 1),
    ],
)
def test_a_shard_may_be_one_record(text: str, symbols: dict[str, int], whole: list[int], cut: int) -> None:
    found = read(text)
    assert (occurring(found), lengths(found), found.cut) == (symbols, whole, cut)


def test_a_review_may_be_longer_than_what_is_read_at_a_time() -> None:
    found = read("{" + "a" * 50 + "}{" + "b" * 7 + "}{b")
    assert lengths(found) == [7, 50]


def test_symbols_may_take_two_bytes() -> None:
    symbols = "".join(chr(0x4E00 + k) for k in range(300)) + "{}"
    found = read(f"{{{symbols[299]}{symbols[299]}{symbols[0]}}}{{{symbols[43]}", symbols=symbols, window=3, stride=2)
    assert occurring(found, symbols) == {symbols[0]: 1, symbols[299]: 2, "{": 2, "}": 1}
    assert lengths(found) == [3]


@pytest.mark.parametrize("seed", range(20))
def test_a_reader_that_takes_one_character_at_a_time_finds_the_same(seed: int) -> None:
    draw = np.random.default_rng(seed)
    symbols = SEED.symbols if seed % 2 else "".join(chr(0x4E00 + k) for k in range(400)) + "{}"
    reviews = ["".join(draw.choice(list(symbols[:-2]), draw.integers(0, 40))) for _ in range(30)]
    window = int(draw.integers(1, 30))
    text = "".join(f"{{{review}}}" for review in reviews) + "{" * int(draw.integers(0, 2))
    stride, chunk_bytes = int(draw.integers(1, window + 1)), int(draw.integers(1, 2000))
    dataset, data = made([("train", text)], symbols=symbols, window=window, stride=stride)
    found = read_statistics(io.BytesIO(data[0]), dataset, where="shard", chunk_bytes=chunk_bytes)
    expected, whole, cut = naive(dataset, data)
    assert occurring(found, symbols) == expected
    assert (lengths(found), found.cut) == (whole, cut)


def test_shards_add_up() -> None:
    first = read("{aab}")
    found = first + read("{}{}{") + read("{ab}{abcdefg}")
    assert occurring(found) == {"{": 6, "a": 4, "b": 3, "}": 5} | dict.fromkeys("cdefg", 1)
    assert (lengths(found), found.complete, found.cut) == ([0, 0, 2, 3, 7], 5, 1)
    assert (occurring(first), lengths(first), first.cut) == ({"{": 1, "a": 2, "b": 1, "}": 1}, [3], 0)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 99, 100, 101, 1000])
def test_a_percentile_is_the_length_of_a_review(count: int) -> None:
    values = np.random.default_rng(count).integers(0, 50, count)
    found = ShardStatistics(np.zeros(2, np.int64), np.bincount(values), cut=0)
    for percent in (0, 1, 50, 90, 99, 100):
        assert found.percentile(percent) == np.percentile(values, percent, method="inverted_cdf")
    assert found.mean() == pytest.approx(values.mean(), abs=1e-12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ab}{ab}", "shard: } at character 2, expected { and } in turns"),
        ("{ab}{a{b}", "shard: { at character 6, expected { and } in turns"),
        ("{ab}}ab{}", "shard: } at character 4, expected { and } in turns"),
    ],
)
@pytest.mark.parametrize("chunk_bytes", [1, 1 << 20])
def test_text_that_is_no_reviews_is_an_error(text: str, expected: str, chunk_bytes: int) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(expected)}$"):
        read(text, window=2, stride=2, chunk_bytes=chunk_bytes)


def test_an_id_that_is_no_symbol_is_an_error() -> None:
    dataset, [data] = made([("train", "{aab}")], symbols="ab{}")
    with pytest.raises(InputError, match=r"^shard: symbol 7, expected less than 4$"):
        read_statistics(io.BytesIO(data[:-6] + b"\x07" + data[-5:]), dataset, where="shard")


SYMBOLS = "\n <&ab$\\\x00é{}"
DESCRIBED = r"""Settings

fingerprint   f00df00df00d
window_chars  4
stride_chars  4
lowercase     True
shard_rule    as asked for
symbols       12 (uint8)
record_bytes  36

Source files

r.json  1,234 bytes  AAAAAA==

Lines read

read                    8
= kept                  3
+ duplicate             1
+ rejected              4
    not JSON            3
    <x>\x1b is no text  1

Splits

            reviews  characters  windows  shards  tail
train             2          13        3       1     0
validation        2           5        1       1     0
test              0           0        0       0     0
all               4          18        4       2     0

Review lengths in characters

min                2
median             2
mean             2.5
90th percentile    3
99th percentile    3
max                3
of 2 whole reviews out of 3; 2 cut at a shard's end left out

Symbols

a      4  22.222%    \n     1   5.556%    &      1   5.556%    \\     1   5.556%
{      4  22.222%    space  1   5.556%    b      1   5.556%    \x00   1   5.556%
}      2  11.111%    <      1   5.556%    $      1   5.556%    é      0   0.000%

Dropped symbols

寿     4,000
space      1

Windows

train-0.tfrecord, window 0 of the train split
    {<&a}
train-0.tfrecord, window 1 of the train split
    }{\na$
train-0.tfrecord, window 2 of the train split
    $\\ aa
"""


def small() -> tuple[Manifest, list[bytes]]:
    counts = {
        "read": 8,
        "kept": 3,
        "duplicate": 1,
        "rejected": {"<x>\x1b is no text": 1, "not JSON": 3},
        "dropped": {" ": 1, "寿": 4000},
    }
    texts = [("train", "{<&a}{\na$\\ aa"), ("validation", "{b\x00}{")]
    return made(texts, symbols=SYMBOLS, counts=counts)


def section(said: str, title: str) -> list[str]:
    """The lines under a title."""
    return said.split(f"{title}\n\n")[1].split("\n\n")[0].splitlines()


def test_what_is_said_of_a_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert say(capsys, written(tmp_path / "d", *small())) == DESCRIBED


def test_the_numbers_of_a_real_dataset_are_those_counted_one_by_one(
    dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made_of = open_dataset(str(dataset)).manifest
    said = say(capsys, dataset)
    symbols, whole, cut = naive(made_of, [(dataset / shard.name).read_bytes() for shard in made_of.shards])
    cells = re.findall(r"(\S+) +([\d,]+) +[\d.]+%", "\n".join(section(said, "Symbols")))
    counted = {symbol: int(count.replace(",", "")) for symbol, count in cells}
    assert counted == {name_symbol(symbol): symbols[symbol] for symbol in made_of.vocabulary}
    assert list(counted.values()) != sorted(counted.values(), reverse=True)  # down the columns, not along the lines
    *rows, note = section(said, "Review lengths in characters")
    assert [row.split()[-1] for row in rows] == [
        f"{whole[0]:,}",
        f"{statistics.median_low(whole):,}",
        f"{statistics.mean(whole):,.1f}",
        f"{whole[-(-len(whole) * 90 // 100) - 1]:,}",
        f"{whole[-(-len(whole) * 99 // 100) - 1]:,}",
        f"{whole[-1]:,}",
    ]
    assert len(whole) + cut == 300
    assert note == f"of {len(whole)} whole reviews out of 300; {cut} cut at a shard's end left out"
    assert section(said, "Splits")[-1].split()[:2] == ["all", "300"]
    assert [line for line in section(said, "Settings") if line.startswith("split_rule ")]
    assert not [line for line in section(said, "Settings") if line.startswith("vocabulary")]


def test_of_many_windows_the_first_the_middle_and_the_last_are_shown(
    dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made_of = open_dataset(str(dataset)).manifest
    every: list[tuple[str, int, str]] = []
    for shard in made_of.shards_of("train"):
        data = np.frombuffer((dataset / shard.name).read_bytes(), np.uint8).reshape(-1, made_of.record_bytes)
        rows = records.payload(data, made_of.id_dtype(), 17)
        every += [(shard.name, number, made_of.symbols().decode(row)) for number, row in enumerate(rows, len(every))]
    expected = []
    for name, number, text in (every[0], every[len(every) // 2], every[-1]):
        shown = text.replace("\n", "\\n")
        expected += [f"{name}, window {number:,} of the train split", f"    {shown}".rstrip()]
    assert [line.rstrip() for line in section(say(capsys, dataset), "Windows")] == expected


def test_all_symbols_are_shown_in_columns_that_fit_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    symbols = "".join(chr(0x4E00 + k) for k in range(300)) + "{}"
    lines = section(say(capsys, written(tmp_path / "d", *made([("train", "{aab}")], symbols=symbols))), "Symbols")
    assert {cell for line in lines for cell in line.split()[::3]} == set(symbols)
    assert max(len(line) + line.count("一") for line in lines) <= 100


def test_long_lists_end_in_how_many_more_there_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = {"read": 3, "kept": 3, "duplicate": 0, "rejected": {}, "dropped": {chr(65 + k): k for k in range(25)}}
    sources = tuple({"name": f"{k:02}.json", "bytes": k, "crc32c": "AAAAAA=="} for k in range(21))
    said = say(capsys, written(tmp_path / "d", *made([("train", "{aab}")], counts=counts, sources=sources)))
    dropped = section(said, "Dropped symbols")
    assert (dropped[0], dropped[19], dropped[20:]) == ("Y  24", "F   5", ["and 5 more"])
    assert section(said, "Source files")[19:] == ["19.json  19 bytes  AAAAAA==", "and 1 more"]


def test_a_dataset_without_a_whole_review_has_no_lengths(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = written(tmp_path / "d", *made([("train", "{aaba")]))
    lines = section(say(capsys, folder, "--html", tmp_path / "x.html"), "Review lengths in characters")
    assert lines == ["of 0 whole reviews out of 3; 1 cut at a shard's end left out"]
    assert len(Page(tmp_path / "x.html").plots) == 2


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        *(("a", "a"), ("é", "é"), ("寿", "寿"), (" ", "space"), ("\n", "\\n"), ("\\", "\\\\"), ("\x1b", "\\x1b")),
        *(("\xa0", "\\xa0"), ("\u0301", "\\u0301"), ("\u200b", "\\u200b"), ("\ud800", "\\ud800")),
    ],
)
def test_a_symbol_can_be_seen_in_a_table(symbol: str, expected: str) -> None:
    assert name_symbol(symbol) == expected


def test_columns_are_aligned_on_a_terminal_where_some_symbols_are_twice_as_wide() -> None:
    assert format_table("<>", [("寿", "1"), ("abc", "20")]) == ["寿    1", "abc  20"]
    assert format_columns(["寿 1", "b", "c"], width=12) == ["寿 1    c", "b"]
    assert format_columns(["寿 1", "b", "c"], width=11) == ["寿 1", "b", "c"]
    assert format_table("<>", []) == format_columns([], width=9) == []


class Page(HTMLParser):
    """What a browser makes of the file: its headings, its texts as written, its plots, and its tags."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.texts: dict[str, list[str]] = {}
        self.plots: list[str] = []
        self.tags: Counter[str] = Counter()
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        if tag not in ("meta", "img"):
            self._open.append(tag)
        kind, _, data = (dict(attrs).get("src") or "").partition(";base64,")
        if tag == "img":
            assert kind == "data:image/svg+xml"
            self.plots.append(base64.b64decode(data).decode())

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.setdefault(self._open[-1], []).append(data)


def texts_in(plot: str) -> list[str]:
    """All that is written in a drawing."""
    return [text.text or "" for text in ElementTree.fromstring(plot).iter("{http://www.w3.org/2000/svg}text")]


def test_the_page_says_the_same_with_plots(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = written(tmp_path / "d", *small())
    assert say(capsys, folder, "--html", tmp_path / "x.html") == DESCRIBED
    page = Page(tmp_path / "x.html")
    assert page.texts["title"] == page.texts["h1"] == ["Dataset f00df00d"]
    shown = [f"{title}\n\n{text}" for title, text in zip(page.texts["h2"], page.texts["pre"], strict=True)]
    assert "\n\n".join(shown) + "\n" == DESCRIBED
    # No tag but ours: what looks like one in the data is text.
    assert page.tags == {"html": 1, "meta": 3, "title": 1, "style": 1, "h1": 1, "h2": 8, "pre": 8, "img": 3}
    assert "\x1b" not in (tmp_path / "x.html").read_text()


def test_the_histogram_counts_reviews(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # 2 of 500 are longer than 99 of 100 are.
    text = "{aa}" * 300 + "{aaa}" * 198 + "{" + "b" * 90 + "}{" + "b" * 95 + "}"
    say(capsys, written(tmp_path / "d", *made([("train", text)], window=1, stride=1)), "--html", tmp_path / "x.html")
    drawn = texts_in(Page(tmp_path / "x.html").plots[1])
    assert "characters (2 longer reviews not plotted)" in drawn
    assert {"0", "300", "reviews"} <= set(drawn)


def test_only_the_most_frequent_of_many_symbols_are_plotted_and_none_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    symbols = "".join(chr(0x4E00 + k) for k in range(300)) + "{}"  # matplotlib's own font has no Chinese
    texts = [("train", f"{{{symbols[7]}{symbols[7]}{symbols[9]}}}")]
    folder = written(tmp_path / "d", *made(texts, symbols=symbols))
    say(capsys, folder, "--html", tmp_path / "x.html")
    drawn = texts_in(Page(tmp_path / "x.html").plots[2])
    shown = [symbol for symbol in drawn if symbol in symbols]
    assert shown == [symbols[7], symbols[9], "{", "}", *symbols[:7], symbols[8], *symbols[10:98]]
    assert "the 100 most frequent of 302 symbols" in drawn
    assert [str(warning.message) for warning in recwarn] == []


SHOWN = ["a", "{", "}", "\\n", "␣", "<", "&", "b", "$", "\\\\", "\\x00", "é"]


def test_the_plots_are_drawings_whose_text_is_the_datasets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say(capsys, written(tmp_path / "d", *small()), "--html", tmp_path / "x.html")
    sizes, histogram, frequencies = map(texts_in, Page(tmp_path / "x.html").plots)
    assert {"train", "validation", "test", "13", "5", "characters"} <= set(sizes)
    assert {"reviews", "characters"} <= set(histogram)
    assert [text for text in frequencies if text in SHOWN] == SHOWN


def test_the_same_dataset_makes_the_same_bytes(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = shutil.copytree(dataset, tmp_path / "elsewhere")
    (tmp_path / "matplotlibrc").write_text("axes.facecolor: red\nsvg.fonttype: path\n")
    (tmp_path / "new").mkdir()
    first = say(capsys, dataset, "--html", tmp_path / "1.html")
    again = subprocess.run(
        [sys.executable, "-m", "jobs.describe", elsewhere, "--html", tmp_path / "new/2.html"],
        env=os.environ | {"MATPLOTLIBRC": str(tmp_path / "matplotlibrc")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert again.stdout == first
    assert (tmp_path / "new/2.html").read_bytes() == (tmp_path / "1.html").read_bytes()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["2.html"]


def test_a_page_that_is_there_is_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.html").write_text("old")
    say(capsys, written(tmp_path / "d", *small()), "--html", tmp_path / "x.html")
    assert Page(tmp_path / "x.html").plots


def test_a_dataset_in_cloud_storage_is_described_as_one_in_a_folder(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], store: str
) -> None:
    bucket = open_bucket(f"{store}/dataset")
    for path in dataset.iterdir():
        bucket.upload(path, path.name)
    assert say(capsys, f"{store}/dataset") == say(capsys, dataset)
    there = open_dataset(f"{store}/dataset")
    describe._read_shard(there, there.manifest.shards[0], [], tmp_path)
    assert list(tmp_path.iterdir()) == []  # the copy made room for the next one


def test_no_dataset_is_an_error_that_leaves_no_page(tmp_path: Path) -> None:
    expected = f"dataset={tmp_path}/no: no manifest.json: not a dataset, or one that was not finished: "
    assert error(tmp_path / "no", "--html", tmp_path / "x.html").startswith(expected)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damaged", [b"", b"\0"])
def test_a_damaged_shard_is_an_error_that_names_it_and_leaves_no_page(damaged: bytes, tmp_path: Path) -> None:
    dataset, data = small()
    folder = written(tmp_path / "d", dataset, [data[0], data[1][:-1] + damaged])
    (tmp_path / "x.html").write_text("old")
    wrong = error(folder, "--html", tmp_path / "x.html")
    assert wrong.startswith(f"{folder}/validation-1.tfrecord: ")
    assert wrong.endswith("altered")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "x.html"]
    assert (tmp_path / "x.html").read_text() == "old"


def test_windows_with_gaps_between_them_are_an_error(tmp_path: Path) -> None:
    dataset, data = made([("train", "{ab}{ab}{ab}")], window=2, stride=3)
    folder = written(tmp_path / "d", dataset, data)
    assert error(folder).startswith(f"dataset={folder}: stride_chars=3, expected at most window_chars=2: ")


@pytest.mark.parametrize("page", [".", "file/x.html", "n" * 300])
def test_a_page_that_cannot_be_written_is_an_error_before_the_work(page: str, tmp_path: Path) -> None:
    dataset, data = small()
    folder = written(tmp_path / "d", dataset, [data[0], b"damaged"])
    (tmp_path / "file").write_text("in the way")
    wrong = error(folder, "--html", tmp_path / page)
    assert str(tmp_path / page) in wrong
    assert "a folder, expected a file" in wrong or "cannot be written: " in wrong
    assert "damaged" not in wrong


def test_a_page_is_a_local_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = written(tmp_path / "d", *small())
    monkeypatch.chdir(tmp_path)
    assert error(folder, "--html", "gs://b/x.html") == "--html gs://b/x.html: expected a local file"
    assert error(folder, "--html", "") == "--html : a folder, expected a file"
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def command(*arguments: object, before: str = "", after: str = "") -> tuple[int, str, str]:
    """Exit code, standard output and error of the command, with a line of Python before it and after."""
    imports = "from jobs import describe\nfrom jobs.cli import command"
    line = f"import sys; {before}\n{imports}\ncommand.run(describe.main)\n{after}"
    ended = subprocess.run(
        [sys.executable, "-c", line, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120
    )
    return ended.returncode, ended.stdout, ended.stderr


def test_a_mistake_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    code, out, errors = command(tmp_path)
    assert (code, out, errors.count("\n")) == (2, "", 1)
    assert f"dataset={tmp_path}: no manifest.json" in errors


def test_matplotlib_is_imported_for_a_page_alone(tmp_path: Path) -> None:
    folder = written(tmp_path / "d", *small())
    assert command(folder, after="assert 'matplotlib' not in sys.modules") == (0, DESCRIBED, "")
    code, out, errors = command(folder, "--html", tmp_path / "x.html", before="sys.modules['matplotlib'] = None")
    assert (code, out) == (2, "")
    assert errors.endswith(": --html: needs matplotlib, which is not installed\n")
    assert not (tmp_path / "x.html").exists()
