"""The report of a run and the comparison of two runs, in a real browser."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from jobs import report, train
from preprocessing.storage.urls import open_bucket
from tests.support.browser import chromium, shown
from tests.support.runs import arguments

pytestmark = pytest.mark.slow
REPORT = ["bits per character over steps", "learning rate over steps", "characters per second over time"]
PLOTS = {
    "report": [*REPORT, "goodput over time"],
    "comparison": ["bits per character over steps", "bits per character over characters"],
}


@pytest.fixture(scope="module")
def pages(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write a report and a comparison of two runs. The first run was evicted once and has a hostile sample."""
    runs = tmp_path_factory.mktemp("runs")
    short: dict[str, Any] = {"max_chars": 10 * 64 * 16, "log_every_steps": 3}
    for name, rate in (("one", 0.01), ("two", 0.02)):
        train.main(arguments(dataset, runs, name, **short, learning_rate=rate))
    bucket = open_bucket(str(runs / "one"))
    speeds = [{"time": time, "step": step, "chars_per_second": 512.0} for time, step in ((110.0, 3), (116.0, 6))]
    evicted = {
        "speeds": speeds,
        "began": 100.0,
        "step": 0,
        "machine": {},
        "ended": 130.0,
        "ended_step": 6,
        "how": "evicted",
    }
    bucket.write("starts/0.json", json.dumps(evicted | {"speeds": speeds}).encode())
    hostile = "<script>console.log(1)</script><img src=http://a.example/x>" + "wide" * 200
    samples = [{"diversity": 0.2, "prompt": "a", "text": hostile}]
    bucket.write("samples/epoch-002.json", json.dumps({"epoch": 2, "step": 20, "samples": samples}).encode())
    report.main([str(runs / "one")])
    report.main([str(runs / "one"), str(runs / "two"), "--to", str(runs / "comparison.html")])
    return {"report": runs / "one/report.html", "comparison": runs / "comparison.html"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        if found is None:
            pytest.skip("needs Chromium: apt-get install chromium, or playwright install chromium")
        yield found


@pytest.mark.parametrize("size", ["desktop", "phone"])
@pytest.mark.parametrize("name", PLOTS)
def test_page_loads_without_messages_or_requests_and_shows_its_curves(
    browser: Browser, pages: dict[str, Path], name: str, size: str
) -> None:
    with shown(browser, pages[name], size=size) as seen:
        seen.page.wait_for_function("[...document.images].every(image => image.complete)")
        drawn = seen.page.evaluate(
            "[...document.images].map(image => [image.alt, image.naturalWidth, image.naturalHeight, image.width])"
        )
        assert [alt for alt, *_ in drawn] == PLOTS[name]
        assert all(size > 100 for _, *sizes in drawn for size in sizes)
        paths = seen.page.evaluate(
            "[...document.images].map(image => atob(image.src.split(',')[1]).split('<path').length)"
        )
        assert min(paths) > 10
        assert seen.messages == []
        assert [url for url in seen.requests if not url.startswith("data:image/svg+xml")] == [
            pages[name].absolute().as_uri()
        ]


@pytest.mark.parametrize("name", PLOTS)
def test_on_a_phone_nothing_is_wider_than_the_page_but_scrolling_boxes(
    browser: Browser, pages: dict[str, Path], name: str
) -> None:
    with shown(browser, pages[name], size="phone") as seen:
        seen.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert seen.page.evaluate("document.documentElement.scrollWidth") == 375
        # Text that is cut off at the edge is as wrong as text that overflows the page.
        beyond = "[...document.querySelectorAll('h1, p, .card, .sample, img')].filter(one => one.scrollWidth > 375)"
        assert seen.page.evaluate(f"{beyond}.length") == 0


@pytest.mark.parametrize("name", PLOTS)
def test_in_dark_mode_the_page_and_its_plots_are_dark(
    browser: Browser, pages: dict[str, Path], name: str, tmp_path: Path
) -> None:
    from matplotlib.image import imread

    light: dict[bool, list[float]] = {}
    for dark in (False, True):
        with shown(browser, pages[name], dark=dark) as seen:
            background = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert background == ("rgb(21, 24, 28)" if dark else "rgb(255, 255, 255)")
            plot = imread(str(_file(tmp_path, seen.page.locator("img").first.screenshot())))[..., :3].mean(axis=2)
            assert plot.shape[0] > 100
            light[dark] = [float(plot.min()), float(plot[0, 0]), float(plot.max())]
    darkest, back, _ = light[False]
    assert darkest < 0.3 < 0.95 < back  # dark ink on white
    _, back, lightest = light[True]
    assert back < 0.15 < 0.7 < lightest  # light ink on black


def _file(folder: Path, data: bytes) -> Path:
    path = folder / "plot.png"
    path.write_bytes(data)
    return path
