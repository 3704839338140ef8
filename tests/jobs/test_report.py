"""The report of a trained run. An error in a report must not harm the run."""

import json
import logging
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from jobs import report, train
from jobs.history.status import read_status
from jobs.pages import write
from jobs.pages.write import ReportWriter
from preprocessing.errors import InputError
from preprocessing.storage.urls import open_bucket
from tests.support.page import Page, curve, marked, written
from tests.support.runs import arguments, outcome, rows
from trainer.runs.folder import open_run

CHARS_PER_STEP = 64 * 16
HOSTILE = '</div></table><script>alert("1")</script>&amp;\n  <img src=http://a.example/x>'


@pytest.fixture(scope="module")
def trained(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train ten steps, with metric rows of steps 3, 6, 9 and 10, and samples of one epoch."""
    runs = tmp_path_factory.mktemp("trained")
    train.main(arguments(dataset, runs, max_chars=10 * CHARS_PER_STEP, log_every_steps=3))
    return runs / "small"


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """Copy the run, for a test to change."""
    return shutil.copytree(trained, tmp_path / "small")


def page_cells(run: Path) -> list[str]:
    return [text for text in Page(run / "report.html").texts if text.strip()]


BITS, RATES, SPEEDS = "bits per character over steps", "learning rate over steps", "characters per second over time"
GOODPUT = "goodput over time"


def write_record(run: Path, name: str, *speeds: tuple[float, int, float], began: float, **more: Any) -> None:
    """Write the record of a start, with speeds as (time, step, characters per second)."""
    record: dict[str, Any] = {"began": began, "step": 0, "speeds": []}
    record["machine"] = {"host": f"host of {name}", "CPU": "a CPU", "GPUs": "1 x a GPU"}
    for speed in speeds:
        record["speeds"].append(dict(zip(("time", "step", "chars_per_second"), speed, strict=True)))
    open_bucket(str(run)).write(f"starts/{name}.json", json.dumps(record | more).encode())


def page_of(run: Path, capsys: pytest.CaptureFixture[str]) -> Page:
    report.main([str(run)])
    assert capsys.readouterr().out == f"{run}/report.html\n"
    return Page(run / "report.html")


def test_trainer_writes_a_self_contained_report(trained: Path) -> None:
    page = Page(trained / "report.html")
    assert page.links
    assert [link for link in page.links if not link.startswith("data:")] == []
    assert not page.tags & {"script", "link", "iframe", "object", "base", "form"}
    assert not re.search(r"@import|url\(|http:|https:", (trained / "report.html").read_text())
    assert page.named == {"viewport": "width=device-width, initial-scale=1"}
    assert "prefers-color-scheme: dark" in page.text


def test_report_has_the_run_s_facts(trained: Path) -> None:
    text = Page(trained / "report.html").text
    [last] = rows(trained, "validation")
    bits = f"{last['bits_per_char']:.3f}"
    assert "Run small" in text
    tiles = {name: value for value, name in pairwise(page_cells(trained))}
    assert tiles["steps"] == "10 of 10"
    assert tiles["epochs"] == "0.122 of 0.122"
    assert tiles["characters trained"] == "10,240"
    for name in ("best", "last"):
        assert tiles[f"{name} validation, bits per character"] == f"{bits} (epoch 1)"
    assert "fingerprint" in text
    assert "reviews.jsonl" in text
    assert "lstm_units: [12, 8]" in text
    cells = page_cells(trained)
    machine = dict(pairwise(cells[cells.index("of the last start") :]))
    assert machine["host"] == platform.node()
    assert re.fullmatch(r"[\d.]+ GiB", machine["memory"])
    assert re.match(r"3\.\d+\.\d+ 2\.\d+", f"{machine['python']} {machine['tensorflow']}")
    assert "finished" in cells
    assert "Restarts: 0." in text


def test_curves_go_through_the_metric_rows(trained: Path) -> None:
    page = Page(trained / "report.html")
    for plot, name, key in ((BITS, "training", "bits_per_char"), (RATES, "learning rate", "learning_rate")):
        expected = np.array([(row["step"], row[key]) for row in rows(trained, "train")])
        points = curve(page, plot, name)
        assert points.shape == (4, 2)
        assert np.corrcoef(points[:, 0], expected[:, 0])[0, 1] == pytest.approx(1, abs=1e-6)
        assert np.corrcoef(points[:, 1], expected[:, 1])[0, 1] == pytest.approx(-1, abs=1e-6)
    assert curve(page, BITS, "validation").shape == (1, 2)
    assert curve(page, SPEEDS, "throughput 0").shape == (4, 2)


def test_html_in_a_sample_is_escaped(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples = [
        {"diversity": 0.2, "prompt": HOSTILE, "text": HOSTILE},
        {"diversity": 0.8, "prompt": "b", "text": "\x07"},
    ]
    (run / "samples/epoch-002.json").write_text(json.dumps({"epoch": 2, "step": 20, "samples": samples}))
    page = page_of(run, capsys)
    first = json.loads((run / "samples/epoch-001.json").read_text())["samples"]
    newest = [HOSTILE, "b", HOSTILE, "\x07"]
    assert page.samples == [*newest, first[0]["prompt"], *(sample["text"] for sample in first)]
    assert not page.tags & {"script"}
    assert [link for link in page.links if not link.startswith("data:")] == []


def test_restart_is_a_line_across_throughput_and_goodput(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(run / "starts")
    write_record(run, "2", (230.0, 12, 512.0), (232.0, 14, 1024.0), began=200.0)
    write_record(run, "1", (110.0, 3, 512.0), (116.0, 6, 512.0), began=100.0)
    page = page_of(run, capsys)
    assert "Restarts: 1, each a line across the plots." in page.text
    for plot in (SPEEDS, GOODPUT):
        assert marked(page, plot, "restart") == ["restart 1"]
    assert [len(curve(page, SPEEDS, f"throughput {k}")) for k in (0, 1)] == [2, 2]
    # 3 steps at half a step per second and 2 at one step per second, in 132 seconds.
    assert "Goodput 6.1%: at least 8 of 132 seconds went into steps that count" in page.text


def test_plots_and_table_show_how_each_start_ended(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(run / "starts")
    ends: dict[str, dict[str, Any]] = {
        "a": {"how": "evicted", "why": "SIGTERM", "ended": 190.0, "ended_step": 9},
        "b": {},
        "c": {"how": "stalled", "why": "no sign of progress", "ended": 390.0, "ended_step": 9},
        "d": {"how": "failed", "why": "OSError: <b>no</b> room", "ended": 480.0, "ended_step": 9},
        "e": {"how": "stopped", "why": "SIGINT", "ended": 590.0, "ended_step": 9},
        "f": {},
    }
    for number, (name, more) in enumerate(ends.items(), start=1):
        began = 100.0 * number
        write_record(run, name, (began + 10, 3, 512.0), (began + 16, 6, 512.0), began=began, **more)
    page = page_of(run, capsys)
    assert "Restarts: 5, each a line across the plots." in page.text
    for plot in (SPEEDS, GOODPUT):
        assert marked(page, plot, "restart") == [f"restart {k}" for k in range(1, 6)]
        assert {"evicted", "lost", "stalled", "failed", "stopped"} <= set(written(page, plot))
    cells = page_cells(run)
    texts = ["evicted; SIGTERM", "lost", "stalled; no sign of progress", "failed; OSError: <b>no</b> room"]
    texts += ["stopped; SIGINT", "under way, or lost"]
    assert [cells[cells.index(f"host of {name}") - 1] for name in ends] == texts
    assert cells[cells.index("host of a") - 4 : cells.index("host of a") + 2] == [
        *("1 min 30 s", "0", "9", "evicted; SIGTERM", "host of a", "a CPU, GPUs: 1 x a GPU")
    ]


def test_gap_much_longer_than_the_others_is_a_pause(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    times = [100.0 + 10 * k for k in range(20)] + [700.0 + 10 * k for k in range(20)]
    rows_ = [(time, 3 * k, 512.0) for k, time in enumerate(times, start=1)]
    shutil.rmtree(run / "starts")
    write_record(run, "1", *rows_, began=100.0, machine={})
    page = page_of(run, capsys)
    assert marked(page, SPEEDS, "pause") == ["pause 0"]
    assert "pause" in written(page, GOODPUT)
    assert "under way, or lost; paused for 6 min 50 s" in page.text
    assert "No start recorded its hardware and versions." in page.text


def test_second_start_is_a_restart(dataset: Path, run: Path) -> None:
    (run / "checkpoint.json").unlink()  # the state of a run killed before its first checkpoint
    train.main(arguments(dataset, run.parent, max_chars=10 * CHARS_PER_STEP, log_every_steps=3))
    page = Page(run / "report.html")
    assert "Restarts: 1, each a line across the plots." in page.text
    assert page.texts.count("finished") == 2


def test_report_of_a_run_without_checkpoint_says_so(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("config.yaml", "manifest.json"):
        open_bucket(str(tmp_path)).write(name, (trained / name).read_bytes())
    text = page_of(tmp_path, capsys).text
    for expected in (
        "No checkpoint yet.",
        "No metric rows yet.",
        "No start recorded its speed.",
        "No samples yet.",
    ):
        assert expected in text


def test_damaged_start_record_is_named_and_the_rest_is_reported(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(run / "starts")
    write_record(run, "1", (110.0, 3, 512.0), (116.0, 6, 512.0), (118.0, 9, 512.0), began=100.0)
    (run / "starts/2.json").write_text('{"began": 200')
    page = page_of(run, capsys)
    assert "starts/2.json: damaged. This start is left out." in page.text
    assert "Restarts: 1." in page.text
    assert read_status(open_run(str(run))).restarts == 1
    assert "Goodput" not in page.text
    assert SPEEDS in page.plots
    assert len(curve(page, BITS, "training")) == 4


def test_report_of_an_older_version_s_run_has_no_speed(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [record] = (run / "starts").iterdir()
    values = json.loads(record.read_text())
    del values["speeds"]
    record.write_text(json.dumps(values))
    page = page_of(run, capsys)
    assert "No start recorded its speed." in page.text
    assert "Restarts: 0." in page.text
    assert SPEEDS not in page.plots
    assert len(curve(page, BITS, "training")) == 4


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("metrics.jsonl", b'{"kind": "train"}\n', "metrics.jsonl: line 1: not a row of metrics"),
        ("samples/epoch-001.json", b"{}", "samples/epoch-001.json: not an epoch's samples: epoch: missing"),
        ("checkpoint.json", b"{}", "checkpoint.json: not a checkpoint index: format: missing"),
    ],
)
def test_damaged_object_of_the_run_is_an_error_with_its_name(run: Path, name: str, data: bytes, message: str) -> None:
    (run / name).write_bytes(data)
    with pytest.raises(InputError, match=f"{run}/{message}"):
        report.main([str(run)])


def test_folder_without_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no config.yaml and manifest.json: not a run"):
        report.main([str(tmp_path)])
    assert list(tmp_path.iterdir()) == []


def test_report_of_a_read_only_run_can_be_written_elsewhere(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "report.html").unlink(missing_ok=True)
    to = tmp_path / "pages/of one.html"
    report.main([str(run), "--to", str(to)])
    assert capsys.readouterr().out == f"{to}\n"
    assert b"<title>Run small</title>" in to.read_bytes()
    assert not (run / "report.html").exists()


def test_the_same_run_gives_the_same_bytes_in_cloud_storage(
    trained: Path, run: Path, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    page_of(run, capsys)
    bucket = open_bucket(f"{store}/runs/small")
    for name in open_bucket(str(trained)).names():
        if name != "report.html":
            bucket.upload(trained / name, name)
    report.main([f"{store}/runs/small/"])
    assert capsys.readouterr().out == f"{store}/runs/small/report.html\n"
    assert bucket.read("report.html") == (run / "report.html").read_bytes() == (trained / "report.html").read_bytes()


def test_finished_run_gets_its_missing_report_and_a_failed_report_is_one_log_line(
    dataset: Path, run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = outcome(run)
    again = arguments(dataset, run.parent, max_chars=10 * CHARS_PER_STEP, log_every_steps=3)
    (run / "report.html").unlink()
    train.main(again)
    assert Page(run / "report.html").samples
    (run / "report.html").unlink()
    (run / "report.html").mkdir()  # a name that cannot be written
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        train.main(again)
    assert [record.getMessage() for record in caplog.records] == [
        f"no report.html: {run}/report.html: cannot be written: Is a directory"
    ]
    assert outcome(run) == before
    assert [path.name for path in run.rglob(".*")] == []


@pytest.mark.parametrize(
    ("when", "checkpoint", "epoch", "end"),
    [
        ("never", False, False, False),
        ("end", False, False, True),
        ("epoch", False, True, True),
        ("checkpoint", True, True, True),
    ],
)
def test_configuration_decides_when_the_trainer_writes_a_report(
    run: Path, when: str, checkpoint: bool, epoch: bool, end: bool
) -> None:
    reports = ReportWriter(str(run), when)
    calls: list[tuple[Callable[[], None], bool]] = [
        (lambda: reports.after_save(False), checkpoint),
        (lambda: reports.after_save(True), epoch),
        (reports.after_end, end),
    ]
    for call, expected in calls:
        (run / "report.html").unlink(missing_ok=True)
        call()
        assert (run / "report.html").exists() == expected


def test_reports_in_several_threads_do_not_disturb_each_other(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    report.main([str(run)])
    expected = (run / "report.html").read_bytes()
    reports = ReportWriter(str(run), "checkpoint")
    threads = [Thread(target=reports.after_save, args=(False,)) for _ in range(4)]
    with caplog.at_level(logging.INFO):
        for thread in threads:
            thread.start()
        reports.after_end()
        for thread in threads:
            thread.join()
    messages = [record.getMessage() for record in caplog.records if record.name == write.__name__]
    assert set(messages) == {f"report: {run}/report.html"}
    assert 2 <= len(messages) <= 5  # from one thread at least, and from the end
    assert (run / "report.html").read_bytes() == expected


def test_trainer_writes_no_report_if_configured_never(dataset: Path, tmp_path: Path) -> None:
    train.main(arguments(dataset, tmp_path, max_chars=2 * CHARS_PER_STEP, report="never"))
    assert (tmp_path / "small/starts").exists()
    assert not (tmp_path / "small/report.html").exists()


def python(line: str, run: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", f"import sys\n{line}", str(run)], capture_output=True, text=True, check=False
    )


def command(before: str, call: str, after: str = "") -> str:
    imports = "from jobs import report\nfrom jobs.cli import command\nfrom jobs.pages.write import ReportWriter"
    return f"{before}\n{imports}\ncommand.run({call})\n{after}"


def test_report_does_not_import_tensorflow(run: Path) -> None:
    done = python(command("", "report.main", "assert not {'tensorflow', 'keras'} & set(sys.modules)"), run)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_matplotlib_the_command_exits_with_2_and_the_trainer_continues(run: Path) -> None:
    (run / "report.html").unlink()
    without = "sys.modules['matplotlib'] = None"
    done = python(command(without, "report.main"), run)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "needs matplotlib, which is not installed" in done.stderr
    done = python(command(without, "lambda: ReportWriter(sys.argv[1], 'end').after_end()"), run)
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert "no report.html: needs matplotlib, which is not installed" in done.stderr
    assert not (run / "report.html").exists()
