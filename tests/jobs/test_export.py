"""Exports of a small run, loaded in a process that cannot import this project."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from jobs import export, sample
from preprocessing.errors import InputError
from preprocessing.storage.urls import open_bucket
from tests.support.runs import newest
from trainer.export.export import compare_export, write_export
from trainer.export.folder import ExportFolder
from trainer.model.network import build_model
from trainer.runs.folder import open_run
from trainer.runs.load import load_model

PAGE = (Path(__file__).parents[2] / "docs/using.md").read_text()
SAVED_MODEL, KERAS = re.findall(r"```python\n(.*?)```", PAGE, re.S)


@pytest.fixture(scope="module")
def exported(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports") / "export"
    export.main([str(small_run), "--to", str(folder)])
    return folder


def elsewhere(script: str, exported: Path, tmp_path: Path) -> list[str]:
    """Return the lines that a script prints in a process that cannot import this project."""
    (tmp_path / "demo").mkdir()
    shutil.copytree(exported, tmp_path / "demo/export")
    without = (
        "import importlib.util\nassert not any(map(importlib.util.find_spec, ('jobs', 'trainer', 'preprocessing')))\n"
    )
    # In isolated mode, Python ignores the current directory and PYTHONPATH.
    done = subprocess.run(
        [sys.executable, "-I", "-c", without + script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def samples(run: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    capsys.readouterr()
    sample.main([str(run), "--json", *arguments])
    return [json.loads(line)["text"] for line in capsys.readouterr().out.splitlines()]


def lines_of(snippet: str) -> list[str]:
    return [line for line in snippet.splitlines() if line]


def test_saved_model_generates_the_command_s_texts_without_this_project(
    small_run: Path, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(lines_of(SAVED_MODEL)) <= 10
    assert '"{the food", "{"' in SAVED_MODEL
    snippet = SAVED_MODEL.replace('sep="\\n"', 'sep="\\0"')  # a newline is a symbol
    found = "\n".join(elsewhere(snippet, exported, tmp_path)).split("\0")
    asked = ["--chars", "100", "--diversity", "0.5", "--seed", "1"]
    assert found[0] == samples(small_run, capsys, *asked, "--prompt", "{the food")[0]
    assert found[1] == samples(small_run, capsys, *asked, "--count", "2")[1]


def test_keras_file_computes_the_run_s_logits_without_this_project(
    small_run: Path, exported: Path, tmp_path: Path
) -> None:
    assert len(lines_of(KERAS)) <= 10
    script = KERAS + "print(symbols)\nprint(logits.tolist())\n"
    *_, logits = elsewhere(script.replace("symbols)", "ascii(symbols))"), exported, tmp_path)
    run = open_run(str(small_run))
    ids, _ = run.manifest.symbols().encode("{the foo")
    expected = load_model(run)(ids[None].astype(np.int32)).numpy()[0, -1]
    np.testing.assert_allclose(json.loads(logits), expected, atol=1e-5)


def loaded(exported: Path) -> Any:
    return tf.saved_model.load(str(exported / "saved_model"))


def generated(exported: Path, *prompts: str, diversity: float = 0.9) -> list[str]:
    model = loaded(exported)  # a reference, or Python frees the variables before generate runs
    return [text.decode() for text in model.generate(list(prompts), 20, diversity, 3)["text"].numpy()]


def test_prompts_of_any_length_are_read_as_by_the_command(exported: Path) -> None:
    plain = generated(exported, "{a good place", "{a", "{", "{")
    assert generated(exported, "{A g\N{SNOWMAN}ood PLACE", "{A", "", "\N{SNOWMAN}") == plain
    alone = generated(exported, "{a good place")
    assert alone == plain[:1]
    assert generated(exported, "{a", "{a", diversity=0)[0] == generated(exported, "{a", diversity=0)[0]


def test_saved_model_contains_the_vocabulary(small_run: Path, exported: Path) -> None:
    model = loaded(exported)
    assert b"".join(model.symbols.numpy()).decode() == open_run(str(small_run)).manifest.vocabulary


@pytest.mark.parametrize(("chars", "diversity", "message"), [(0, 0.5, "chars: expected"), (5, -1.0, "diversity: exp")])
def test_signature_s_argument_out_of_range_is_named(exported: Path, chars: int, diversity: float, message: str) -> None:
    model = loaded(exported)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        model.generate(["{"], chars, diversity, 1)


def test_export_json_describes_the_checkpoint_and_names_each_file(small_run: Path, exported: Path) -> None:
    found = json.loads((exported / "export.json").read_text())
    saved = newest(small_run)
    assert (found["run"], found["step"], found["checkpoint"]) == (str(small_run), saved["step"], saved["file"])
    assert found["sha256"] == saved["sha256"]
    assert found["vocabulary"] == open_run(str(small_run)).manifest.vocabulary
    assert found["versions"]["keras"]
    assert {*found["files"], "export.json"} == set(open_bucket(str(exported)).names())
    assert "model.keras" in found["files"]


def test_same_checkpoint_is_not_exported_twice_and_another_needs_replace(
    small_run: Path, tmp_path: Path, store: str
) -> None:
    for place in (str(tmp_path / "export"), f"{store}/export"):
        bucket = open_bucket(place)
        export.main([str(small_run), "--to", place])
        before = bucket.read("export.json")
        export.main([str(small_run), "--to", place, "--replace"])
        assert bucket.read("export.json") == before
        other = json.loads(before) | {"sha256": "another", "run": "runs/other"}
        bucket.write("export.json", json.dumps(other).encode())
        bucket.write("saved_model/variables/of_another", b"")
        with pytest.raises(
            InputError, match=f"{place}: has an export of runs/other, step .*: .* or replace it with --"
        ):
            export.main([str(small_run), "--to", place])
        export.main([str(small_run), "--to", place, "--replace"])
        found = json.loads(bucket.read("export.json"))
        assert found["sha256"] == newest(small_run)["sha256"]
        assert {*found["files"], "export.json"} == set(bucket.names())


def test_files_of_a_killed_export_are_overwritten(small_run: Path, exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported, tmp_path / "export")
    (tmp_path / "export/export.json").unlink()
    (tmp_path / "export/model.keras").write_bytes(b"half")
    export.main([str(small_run), "--to", str(tmp_path / "export")])
    assert (tmp_path / "export/export.json").exists()
    assert generated(tmp_path / "export", "{") == generated(exported, "{")
    assert (tmp_path / "export/model.keras").stat().st_size > 4


def test_failed_export_leaves_no_export_json(small_run: Path, exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported, tmp_path / "export")
    values = json.loads((tmp_path / "export/export.json").read_text()) | {"sha256": "another"}
    (tmp_path / "export/export.json").write_text(json.dumps(values))
    (tmp_path / "export/model.keras").unlink()
    (tmp_path / "export/model.keras").mkdir()
    with pytest.raises(InputError, match="model.keras: cannot be written"):
        export.main([str(small_run), "--to", str(tmp_path / "export"), "--replace"])
    assert not (tmp_path / "export/export.json").exists()


def test_folder_with_other_files_is_refused(small_run: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=f"--to {tmp_path}: notes.txt is no file of an export: expected an empty"):
        export.main([str(small_run), "--to", str(tmp_path), "--replace"])
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not an export.json: EOF"),
        ("[]", r"not an export.json: \[\]: expected an object"),
        ("{}", "not an export.json: format: missing"),
        (
            '{"format": 2, "run": "r", "step": 1, "sha256": "s"}',
            "not an export.json: format 2, expected at most 1: written by a newer",
        ),
    ],
)
def test_damaged_export_json_is_named(small_run: Path, tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "export.json").write_text(content)
    with pytest.raises(InputError, match=f"{tmp_path}/export.json: {message}"):
        export.main([str(small_run), "--to", str(tmp_path)])


def test_files_with_other_logits_than_the_run_are_detected(small_run: Path, tmp_path: Path) -> None:
    run = open_run(str(small_run))
    own, other = load_model(run), build_model(run.config.model, run.manifest)
    plain = build_model(run.config.model, run.manifest, layers="keras")
    plain.set_weights(own.get_weights())
    write_export(tmp_path / "good", run, own, plain)
    compare_export(tmp_path / "good", run, own)
    write_export(tmp_path / "bad", run, other, plain)
    with pytest.raises(ArithmeticError, match="saved_model: a logit is off by"):
        compare_export(tmp_path / "bad", run, own)
    plain.set_weights(other.get_weights())
    write_export(tmp_path / "worse", run, own, plain)
    with pytest.raises(ArithmeticError, match="model.keras: a logit is off by"):
        compare_export(tmp_path / "worse", run, own)


def test_concurrent_exports_leave_one_whole_export_or_none(tmp_path: Path) -> None:
    names = ["model.keras", *(f"saved_model/{number}" for number in range(8))]

    def publish(to: Path, owner: str) -> bool:
        try:
            ExportFolder(str(to), replace=True).publish(tmp_path / owner, {"sha256": owner, "run": "r", "step": 1})
        except OSError:
            return False
        return True

    for owner in "ab":
        (tmp_path / owner / "saved_model").mkdir(parents=True)
        for name in names:
            (tmp_path / owner / name).write_text(owner)
    for attempt in range(10):
        to = tmp_path / f"export-{attempt}"
        with ThreadPoolExecutor() as threads:
            published = list(threads.map(publish, [to, to], "ab"))
        assert (to / "export.json").exists() == any(published)
        if any(published):
            owner = json.loads((to / "export.json").read_text())["sha256"]
            assert {(to / name).read_text() for name in names} == {owner}


def test_full_disk_is_an_os_error_for_every_file(small_run: Path, small_disk: Callable[[int], Path]) -> None:
    run = open_run(str(small_run))
    own, plain = load_model(run), build_model(run.config.model, run.manifest, layers="keras")
    for kilobytes in (8, 64, 120):  # the Keras file, the weights beside it, the graph
        with pytest.raises(OSError, match="No space left on device"):
            write_export(small_disk(kilobytes) / "export", run, own, plain)


def test_run_without_a_checkpoint_is_refused(small_run: Path, tmp_path: Path) -> None:
    shutil.copytree(small_run, tmp_path / "run")
    (tmp_path / "run/checkpoint.json").unlink()
    with pytest.raises(InputError, match="no checkpoint.json: a run without a checkpoint yet"):
        export.main([str(tmp_path / "run"), "--to", str(tmp_path / "export")])
    assert not (tmp_path / "export").exists()
