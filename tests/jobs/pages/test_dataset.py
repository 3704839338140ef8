"""The page of a dataset, as jobs.describe --html writes it."""

import base64
import os
import shutil
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.jobs.test_describe import DESCRIBED, run_describe, small_dataset
from tests.support.datasets import make_dataset, write_dataset


class Page(HTMLParser):
    """A page as a browser parses it: texts by tag, plots as SVG, and the number of each tag."""

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
    """Return all texts in an SVG."""
    return [text.text or "" for text in ElementTree.fromstring(plot).iter("{http://www.w3.org/2000/svg}text")]


def test_page_has_the_printed_description_and_plots(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_dataset(tmp_path / "d", *small_dataset())
    assert run_describe(capsys, folder, "--html", tmp_path / "x.html") == DESCRIBED
    page = Page(tmp_path / "x.html")
    assert page.texts["title"] == page.texts["h1"] == ["Dataset f00df00d"]
    shown = [f"{title}\n\n{text}" for title, text in zip(page.texts["h2"], page.texts["pre"], strict=True)]
    assert "\n\n".join(shown) + "\n" == DESCRIBED
    # No other tags: a tag in the data is text.
    assert page.tags == {"html": 1, "meta": 3, "title": 1, "style": 1, "h1": 1, "h2": 8, "pre": 8, "img": 3}
    assert "\x1b" not in (tmp_path / "x.html").read_text()


def test_histogram_counts_reviews(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # 2 of 500 reviews are longer than the 99th percentile.
    text = "{aa}" * 300 + "{aaa}" * 198 + "{" + "b" * 90 + "}{" + "b" * 95 + "}"
    run_describe(
        capsys,
        write_dataset(tmp_path / "d", *make_dataset([("train", text)], window=1, stride=1)),
        "--html",
        tmp_path / "x.html",
    )
    drawn = texts_in(Page(tmp_path / "x.html").plots[1])
    assert "characters (2 longer reviews not plotted)" in drawn
    assert {"0", "300", "reviews"} <= set(drawn)


def test_only_the_most_frequent_symbols_are_plotted_and_without_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    symbols = "".join(chr(0x4E00 + k) for k in range(300)) + "{}"  # matplotlib's own font has no Chinese
    texts = [("train", f"{{{symbols[7]}{symbols[7]}{symbols[9]}}}")]
    folder = write_dataset(tmp_path / "d", *make_dataset(texts, symbols=symbols))
    run_describe(capsys, folder, "--html", tmp_path / "x.html")
    drawn = texts_in(Page(tmp_path / "x.html").plots[2])
    shown = [symbol for symbol in drawn if symbol in symbols]
    assert shown == [symbols[7], symbols[9], "{", "}", *symbols[:7], symbols[8], *symbols[10:98]]
    assert "the 100 most frequent of 302 symbols" in drawn
    assert [str(warning.message) for warning in recwarn] == []


SHOWN = ["a", "{", "}", "\\n", "␣", "<", "&", "b", "$", "\\\\", "\\x00", "é"]


def test_plots_have_the_dataset_s_numbers_and_symbols(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_describe(capsys, write_dataset(tmp_path / "d", *small_dataset()), "--html", tmp_path / "x.html")
    sizes, histogram, frequencies = map(texts_in, Page(tmp_path / "x.html").plots)
    assert {"train", "validation", "test", "13", "5", "characters"} <= set(sizes)
    assert {"reviews", "characters"} <= set(histogram)
    assert [text for text in frequencies if text in SHOWN] == SHOWN


def test_the_same_dataset_gives_the_same_bytes(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = shutil.copytree(dataset, tmp_path / "elsewhere")
    (tmp_path / "matplotlibrc").write_text("axes.facecolor: red\nsvg.fonttype: path\n")
    (tmp_path / "new").mkdir()
    first = run_describe(capsys, dataset, "--html", tmp_path / "1.html")
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
