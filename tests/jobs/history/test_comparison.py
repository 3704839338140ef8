"""The comparison of trained runs: its page and its JSON."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from jobs import report, train
from jobs.history.comparison import compare_datasets, read_runs
from preprocessing.errors import InputError
from tests.support.page import Page, curve, written
from tests.support.runs import arguments, rows

SHORT: dict[str, Any] = {"max_chars": 10 * 64 * 16, "log_every_steps": 3}
STEPS, CHARS = "bits per character over steps", "bits per character over characters"


@pytest.fixture(scope="module")
def runs(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train `one`, and `two` with half the batch, twice the steps and other diversities."""
    folder = tmp_path_factory.mktemp("runs")
    train.main(arguments(dataset, folder, "one", **SHORT))
    changed: dict[str, Any] = {"batch_windows": 32, "sample__diversities": "[0.2, 0.9]"}
    train.main(arguments(dataset, folder, "two", **SHORT, **changed))
    return folder


def page_of(runs: Path, *names: str, capsys: pytest.CaptureFixture[str]) -> Page:
    to = runs / "pages/comparison.html"
    report.main([*(str(runs / name) for name in names), "--to", str(to)])
    assert capsys.readouterr().out == f"{to}\n"
    return Page(to)


def test_page_shows_only_configuration_keys_that_differ(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = page_of(runs, "one", "two", capsys=capsys)
    cells = [text for text in page.texts if text.strip()]
    at = cells.index("batch_windows")
    assert cells[at : at + 6] == [
        *("batch_windows", "64", "32"),
        "sample.diversities",
        "[0.2, 0.4, 0.6, 0.8]",
        "[0.2, 0.9]",
    ]
    assert "seed" not in cells
    assert cells[cells.index("Dataset") + 1] == "No difference."
    assert "one and two" in cells
    assert [link for link in page.links if not link.startswith("data:")] == []


def test_curves_are_on_one_axis_by_step_and_by_characters(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = page_of(runs, "one", "two", capsys=capsys)
    for plot in (STEPS, CHARS):
        assert {"one", "two"} <= set(written(page, plot))
        assert [len(curve(page, plot, f"training {k}")) for k in (0, 1)] == [4, 7]
    ends = {plot: [curve(page, plot, f"training {k}")[-1, 0] for k in (0, 1)] for plot in (STEPS, CHARS)}
    assert ends[STEPS][0] < ends[STEPS][1]  # 10 steps and 20
    assert ends[CHARS][0] == pytest.approx(ends[CHARS][1])  # of as many characters


def test_page_shows_samples_of_equal_epoch_and_diversity(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = page_of(runs, "one", "two", capsys=capsys)
    samples = [
        json.loads((runs / name / "samples/epoch-001.json").read_text())["samples"][0] for name in ("one", "two")
    ]
    assert page.samples == [
        *dict.fromkeys(sample["prompt"] for sample in samples),
        *(sample["text"] for sample in samples),
    ]
    assert "diversity 0.2" in page.texts
    assert not {"diversity 0.4", "diversity 0.9"} & set(page.texts)


def test_page_says_that_no_epoch_is_common(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "two"):
        shutil.copytree(runs / name, tmp_path / name)
    shutil.rmtree(tmp_path / "two/samples")
    page = page_of(tmp_path, "one", "two", capsys=capsys)
    assert "No epoch in which all runs have samples of an equal diversity." in page.text
    assert len(curve(page, STEPS, "training 1")) == 7


def test_json_has_summaries_and_differences(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report.main([str(runs / "one"), str(runs / "two"), "--json"])
    values = json.loads(capsys.readouterr().out)
    assert values["configuration"] == {
        "batch_windows": [64, 32],
        "sample.diversities": [[0.2, 0.4, 0.6, 0.8], [0.2, 0.9]],
    }
    assert (values["dataset"], values["common_epochs"]) == ({}, [1])
    for name, steps, run in zip(("one", "two"), (10, 20), values["runs"], strict=True):
        [last] = rows(runs / name, "validation")
        assert (run["name"], run["steps"], run["planned_steps"], run["chars"]) == (name, steps, steps, 10_240)
        assert (run["best_bits"], run["last_bits"], run["best_epoch"]) == (last["bits_per_char"],) * 2 + (1,)
        assert run["training_bits"] == rows(runs / name, "train")[-1]["bits_per_char"]
        assert run["validation"] == [
            {key: value for key, value in last.items() if key != "kind"} | {"chars_trained": 10_240}
        ]
        assert run["starts"] == 1


def test_dataset_differences_are_listed(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "one", tmp_path / "one")
    manifest = json.loads((tmp_path / "one/manifest.json").read_text())
    manifest["fingerprint"] = "f00df00d" + manifest["fingerprint"][8:]
    manifest["settings"]["lowercase"] = False
    (tmp_path / "one/manifest.json").write_text(json.dumps(manifest))
    compared = read_runs([str(runs / "one"), str(tmp_path / "one")])
    assert compare_datasets(compared)["lowercase"] == [True, False]
    assert compare_datasets(compared)["fingerprint"][1] == "f00df00d"
    assert list(compared) == [str(runs / "one"), str(tmp_path / "one")]  # the last parts are equal


def test_run_given_twice_is_refused(runs: Path) -> None:
    with pytest.raises(InputError, match="one/: given twice: name another run"):
        report.main([str(runs / "one"), f"{runs / 'one'}/"])


def test_run_without_metric_rows_is_refused(runs: Path, tmp_path: Path) -> None:
    for name in ("config.yaml", "manifest.json"):
        shutil.copy(runs / "one" / name, tmp_path)
    with pytest.raises(InputError, match=f"{tmp_path}: no metric rows yet: wait for the first row"):
        report.main([str(runs / "one"), str(tmp_path), "--to", str(tmp_path / "x.html")])
    assert not (tmp_path / "x.html").exists()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["a", "b", "--json", "--to", "x"], "--to x: only for a page: leave out --to or --json"),
        (["a", "--to", "folder/"], "folder/: a folder, expected a file"),
        (["a", "b", "--to", "folder/"], "folder/: a folder, expected a file"),
        ([], "required: RUN"),
    ],
)
def test_wrong_arguments_are_refused(argv: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        report.main(argv)
