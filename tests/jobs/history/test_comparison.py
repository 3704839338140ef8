"""Several runs on one page: what differs, what each came to, and what each wrote."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from jobs import report, train
from jobs.history import comparison
from jobs.history.comparison import compared
from preprocessing.errors import InputError
from tests.support.page import Page, curve, written
from tests.support.runs import arguments, rows

SHORT: dict[str, Any] = {"max_chars": 10 * 64 * 16, "log_every_steps": 3}
STEPS, CHARS = "bits per character over steps", "bits per character over characters"


@pytest.fixture(scope="module")
def runs(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`one` and `two`, which has half the batch, twice the steps and a diversity of its own."""
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


def test_of_the_configuration_only_what_differs_is_there(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
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


def test_all_curves_are_on_one_axis_by_step_and_by_characters(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = page_of(runs, "one", "two", capsys=capsys)
    for plot in (STEPS, CHARS):
        assert {"one", "two"} <= set(written(page, plot))
        assert [len(curve(page, plot, f"training {k}")) for k in (0, 1)] == [4, 7]
    ends = {plot: [curve(page, plot, f"training {k}")[-1, 0] for k in (0, 1)] for plot in (STEPS, CHARS)}
    assert ends[STEPS][0] < ends[STEPS][1]  # 10 steps and 20
    assert ends[CHARS][0] == pytest.approx(ends[CHARS][1])  # of as many characters


def test_samples_are_beside_each_other_where_epoch_and_diversity_are_equal(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = page_of(runs, "one", "two", capsys=capsys)
    texts = [json.loads((runs / name / "samples/epoch-001.json").read_text())["samples"][0] for name in ("one", "two")]
    assert page.samples == [*dict.fromkeys(one["prompt"] for one in texts), *(one["text"] for one in texts)]
    assert "diversity 0.2" in page.texts
    assert not {"diversity 0.4", "diversity 0.9"} & set(page.texts)


def test_without_a_common_epoch_the_page_says_so(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        shutil.copytree(runs / name, tmp_path / name)
    shutil.rmtree(tmp_path / "two/samples")
    page = page_of(tmp_path, "one", "two", capsys=capsys)
    assert "No epoch of which all have samples at an equal diversity." in page.text
    assert len(curve(page, STEPS, "training 1")) == 7


def test_the_numbers_are_json(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report.main([str(runs / "one"), str(runs / "two"), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["configuration"] == {
        "batch_windows": [64, 32],
        "sample.diversities": [[0.2, 0.4, 0.6, 0.8], [0.2, 0.9]],
    }
    assert (found["dataset"], found["common_epochs"]) == ({}, [1])
    for name, steps, one in zip(("one", "two"), (10, 20), found["runs"], strict=True):
        [last] = rows(runs / name, "validation")
        assert (one["name"], one["steps"], one["planned_steps"], one["chars"]) == (name, steps, steps, 10_240)
        assert (one["best_bits"], one["last_bits"], one["best_epoch"]) == (last["bits_per_char"],) * 2 + (1,)
        assert one["training_bits"] == rows(runs / name, "train")[-1]["bits_per_char"]
        assert one["validation"] == [
            {key: value for key, value in last.items() if key != "kind"} | {"chars_trained": 10_240}
        ]
        assert one["starts"] == 1


def test_another_dataset_is_a_difference(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "one", tmp_path / "one")
    manifest = json.loads((tmp_path / "one/manifest.json").read_text())
    manifest["fingerprint"] = "f00df00d" + manifest["fingerprint"][8:]
    manifest["settings"]["lowercase"] = False
    (tmp_path / "one/manifest.json").write_text(json.dumps(manifest))
    found = compared([str(runs / "one"), str(tmp_path / "one")])
    assert comparison.datasets(found)["lowercase"] == [True, False]
    assert comparison.datasets(found)["fingerprint"][1] == "f00df00d"
    assert [one.name for one in found] == [
        str(runs / "one"),
        str(tmp_path / "one"),
    ]  # one name would not tell them apart


def test_one_run_twice_is_a_mistake(runs: Path) -> None:
    with pytest.raises(InputError, match="one/: given twice: name another run"):
        report.main([str(runs / "one"), f"{runs / 'one'}/"])


def test_a_run_without_rows_is_named(runs: Path, tmp_path: Path) -> None:
    for name in ("config.yaml", "manifest.json"):
        shutil.copy(runs / "one" / name, tmp_path)
    with pytest.raises(InputError, match=f"{tmp_path}: no row of metrics yet: wait for its first"):
        report.main([str(runs / "one"), str(tmp_path), "--to", str(tmp_path / "x.html")])
    assert not (tmp_path / "x.html").exists()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["a", "b", "--json", "--to", "x"], "--to x: only for a page"),
        (["a", "--to", "folder/"], "folder/: a folder, expected a file"),
        (["a", "b", "--to", "folder/"], "folder/: a folder, expected a file"),
        ([], "required: RUN"),
    ],
)
def test_what_makes_no_sense_is_said(asked: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        report.main(asked)
