"""Files of the previous version: this version reads and continues them, and writes the same formats.

tests/support/previous_version/README.md says which commit wrote data/ and expected/, and how.
"""

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from jobs import (
    describe,
    detect,
    evaluate,
    export,
    preprocess,
    promote,
    report,
    retrain,
    sample,
    score,
    train,
    verify,
    watch,
)
from preprocessing.errors import InputError
from tests.support.inputs import sets
from tests.support.runs import finish, newest, outcome, start

STORED = Path(__file__).parents[1] / "support/previous_version"
EXPECTED = STORED / "expected"
PREVIOUS_FOLDER = "/previous"  # placeholder in the stored files for the folder where the previous version wrote them

FINGERPRINT = "1b6970cfdbd44b5f45d49691913368587bffbf802ac00f3b375f3511fe4863ea"
SHARD_SHA256 = {
    "test-00000-of-00003-1b6970cf.tfrecord": "9e2ba84d04e7341e81fae6f25190cff82813e6e67357021118bf12f36640ee64",
    "test-00001-of-00003-1b6970cf.tfrecord": "e95207cb3d4623ae54197c0a25c4fea7b2e54d49f75a5dea501380d047c2c808",
    "test-00002-of-00003-1b6970cf.tfrecord": "77645ab7809a5a57dcfe778d3a9a79aae4909da5fe701bf6f2af972a1eb0dbcb",
    "train-00000-of-00003-1b6970cf.tfrecord": "f2ac15f1a3adeaed3244e4607ad440eaca1088b8af72400d2e90a373879ae7f7",
    "train-00001-of-00003-1b6970cf.tfrecord": "50e854e3a9b3e8d1b3ceae3d53365549f93e1f588db1e0582bc85e73d6d478ff",
    "train-00002-of-00003-1b6970cf.tfrecord": "37116cef17c9e6772d6ef490f89f98a26529944cd08be91c979fa88eca09bae3",
    "validation-00000-of-00003-1b6970cf.tfrecord": "9cdfb75b32d71a8fdc1b322eb0ef3313d4e39f2dad2306592e1398d4a6e3d51a",
    "validation-00001-of-00003-1b6970cf.tfrecord": "00c01ee0959addd52876af5a649cc5e315156c40c99e6b9311610d97979c0ddf",
    "validation-00002-of-00003-1b6970cf.tfrecord": "b5f2f602a4f7848f30a7504760ec51732b3ed15830fd3e84d76d02d45d3561c6",
}
PREPROCESS = ["--config", "preprocess.yaml", "--set", "input=[reviews.jsonl, more.jsonl]"]
TRAIN = ["--config", "train.yaml", "--run"]
WEAK = {"max_chars": 4096, "schedule": "constant", "model.lstm_units": "[4]", "model.embedding_units": 3}
STOPPED_STEP, LAST_STEP = 138, 244
DETECTOR_SETTINGS = ("--reviews", "reviews.jsonl", "more.jsonl", "--lengths", "40", "80", "--count", "20")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy the stored folder, set the absolute URLs in its files to the copy, and change the directory to the copy."""
    copy = tmp_path / "copy"
    shutil.copytree(STORED / "data", copy)
    for path in [copy / "export/export.json", copy / "models/current.json", *(copy / "models/reports").iterdir()]:
        path.write_text(path.read_text().replace(PREVIOUS_FOLDER, str(copy)))
    monkeypatch.chdir(copy)
    return copy


def files(folder: Path) -> dict[str, bytes]:
    """Return the bytes of each file below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def json_lines(text: str) -> list[Any]:
    """Return the value of each line."""
    return [json.loads(line) for line in text.splitlines()]


def assert_close(
    found: Any, expected: Any, *, tolerance: float = 1e-4, ignored: Sequence[str] = (), printed: bool = False
) -> None:
    """Check that two JSON values are equal, with a tolerance for floats.

    ignored: keys whose values may differ.
    printed: whether a command printed the value. Later versions may print more keys, but a file's keys are fixed.
    """
    if isinstance(expected, dict):
        assert [key for key in found if key in expected or not printed] == list(expected)
        for key in expected.keys() - set(ignored):
            assert_close(found[key], expected[key], tolerance=tolerance, ignored=ignored, printed=printed)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_close(one, other, tolerance=tolerance, ignored=ignored, printed=printed)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=tolerance, abs=tolerance)
    else:
        assert found == expected


def cpu_flags() -> str:
    """Return the line of the CPU's instruction sets, in the form of expected/cpu_flags.txt. Empty outside Linux."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next((line for line in lines if line.startswith("flags")), "")


def same_bits_expected(run: Path) -> bool:
    """Return whether the run's result must be bit-identical to the stored result.

    The result is bit-identical if all starts had the same kind of CPU and the same package versions.
    """
    records = [json.loads(path.read_text()) for path in (run / "starts").iterdir()]
    decisive = ("CPU", "cores", "GPUs", "tensorflow", "keras", "numpy")
    machines = {tuple(record["machine"][fact] for fact in decisive) for record in records}
    one_kind = cpu_flags() == (EXPECTED / "cpu_flags.txt").read_text().strip()
    return len(machines) == 1 and one_kind and "TF_ENABLE_ONEDNN_OPTS" not in os.environ


def test_stored_shards_are_the_recorded_ones() -> None:
    manifest = json.loads((STORED / "data/dataset/manifest.json").read_text())
    assert manifest["fingerprint"] == FINGERPRINT
    assert {shard["name"]: shard["sha256"] for shard in manifest["shards"]} == SHARD_SHA256
    for name, sha256 in SHARD_SHA256.items():
        assert hashlib.sha256((STORED / "data/dataset" / name).read_bytes()).hexdigest() == sha256


def test_dataset_is_verified_and_described(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verify.main(["dataset"])
    assert "9 shards, 624 records, 59904 bytes" in capsys.readouterr().out
    describe.main(["dataset", "--html", "dataset.html"])
    text = " ".join(capsys.readouterr().out.split())
    for fact in (
        FINGERPRINT,
        "more.jsonl 10,036 bytes T9X+qA==",
        "read 130 = kept 127 + duplicate 1 + rejected 2",
        "train 100 31,217 486 3 110 validation 15 4,760 73 3 85 test 12 4,263 65 3 100",
        "{over the weekend i ordered a hot chocolate",
    ):
        assert fact in text
    assert FINGERPRINT in (folder / "dataset.html").read_text()


def test_preprocessing_unchanged_reviews_does_nothing(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    before = files(folder / "dataset")
    written = (folder / "dataset/manifest.json").stat().st_mtime_ns
    preprocess.main([*PREPROCESS, "--set", "output=dataset"])
    assert "nothing to do" in caplog.text
    assert files(folder / "dataset") == before
    assert (folder / "dataset/manifest.json").stat().st_mtime_ns == written


def test_rebuilt_dataset_has_the_same_bytes(folder: Path) -> None:
    preprocess.main([*PREPROCESS, "--set", "output=rebuilt"])
    rebuilt = files(folder / "rebuilt")
    assert json.loads(rebuilt["manifest.json"])["fingerprint"] == FINGERPRINT
    shards = {name: hashlib.sha256(data).hexdigest() for name, data in rebuilt.items() if name in SHARD_SHA256}
    assert shards == SHARD_SHA256
    assert rebuilt == files(folder / "dataset")  # includes manifest.json and rejected/


def test_stopped_run_continues_to_the_expected_result(folder: Path) -> None:
    """Continue with one CPU device, as in the commands that wrote the run.

    With two devices, sums differ in their last bits.
    """
    moved = sets(dataset=folder / "dataset", runs=folder / "runs")
    log = finish(start(["--config", str(folder / "train.yaml"), "--run", "stopped", *moved]))
    assert f"continuing after step {STOPPED_STEP}" in log
    run = folder / "runs/stopped"
    expected = {name: sha256 for sha256, name in map(str.split, (EXPECTED / "sha256.txt").read_text().splitlines())}
    saved = newest(run)
    assert (saved["step"], saved["epoch"], saved["losses"]) == (LAST_STEP, 2, [])
    if same_bits_expected(run):
        assert outcome(run) == expected
    found = json_lines((run / "metrics.jsonl").read_text())
    assert_close(found, json_lines((EXPECTED / "metrics.jsonl").read_text()))
    assert saved["validation"] == found[-1]["loss"]
    names = {path.relative_to(run).as_posix() for path in (run / "samples").iterdir()}
    assert names == {name for name in expected if name.startswith("samples/")}
    ends = [json.loads(path.read_text())["how"] for path in sorted((run / "starts").iterdir())]
    assert ends == ["evicted", "finished"]
    assert "epoch 2" in (run / "report.html").read_text()


def test_complete_run_stays_as_it_is(folder: Path) -> None:
    before = outcome("runs/weak")
    config, pointer = (folder / "runs/weak/config.yaml", folder / "runs/weak/checkpoint.json")
    stored = config.read_bytes(), pointer.read_bytes()
    train.main([*TRAIN, "weak", *sets(**WEAK, report="never")])
    assert outcome("runs/weak") == before
    assert (config.read_bytes(), pointer.read_bytes()) == stored


def test_new_run_has_the_stored_files_and_configuration(folder: Path) -> None:
    train.main([*TRAIN, "new", *sets(**WEAK, report="never")])
    new, stored = files(folder / "runs/new"), files(folder / "runs/weak")
    for name in ("config.yaml", "manifest.json", "samples/epoch-001.json"):
        assert name in new
    keys = stored["config.yaml"].splitlines()
    assert [line for line in new["config.yaml"].splitlines() if line in keys] == keys  # later versions may add keys
    assert new["manifest.json"] == stored["manifest.json"]
    assert_close(json_lines(new["metrics.jsonl"].decode()), json_lines(stored["metrics.jsonl"].decode()))
    pointers = [json.loads(run["checkpoint.json"]) for run in (new, stored)]
    assert_close(*pointers, ignored=["file", "sha256"])


@pytest.mark.usefixtures("folder")
def test_another_configuration_of_the_stopped_run_is_refused() -> None:
    with pytest.raises(InputError, match=r"learning_rate=0.01, now 0.5; warmup_steps=5, now 6"):
        train.main([*TRAIN, "stopped", *sets(learning_rate=0.5, warmup_steps=6)])
    with pytest.raises(InputError, match="schedule='cosine', now 'constant'"):
        train.main([*TRAIN, "stopped", *sets(schedule="constant")])


@pytest.mark.usefixtures("folder")
def test_warm_start_takes_the_stored_weights(capsys: pytest.CaptureFixture[str]) -> None:
    barely = {"max_chars": 256, "learning_rate": 1e-9, "schedule": "constant", "report": "never"}
    train.main([*TRAIN, "warm", *sets(warm_start="runs/stopped", **barely)])
    capsys.readouterr()
    evaluate.main(["runs/warm"])
    found = json.loads(capsys.readouterr().out)
    expected = json.loads((EXPECTED / "evaluate.json").read_text())
    assert found["step"] == 1
    assert found["bits_per_char_windows"] == pytest.approx(expected["bits_per_char"], abs=1e-4)


@pytest.mark.usefixtures("folder")
def test_evaluation_is_the_expected_one(capsys: pytest.CaptureFixture[str]) -> None:
    evaluate.main(["runs/stopped"])
    found = json.loads(capsys.readouterr().out)
    # The stored version evaluated each window from a state of zero.
    found = found | {"bits_per_char": found.pop("bits_per_char_windows")}
    expected = json.loads((EXPECTED / "evaluate.json").read_text())
    assert_close(found, expected, ignored=["seconds", "nats_per_char"], printed=True)


def test_samples_are_the_expected_ones(folder: Path) -> None:
    options = ["--prompt", "{the food", "--count", "4", "--chars", "40", "--output", "samples.jsonl"]
    sample.main(["runs/stopped", *options])
    assert (folder / "samples.jsonl").read_text() == (EXPECTED / "samples.jsonl").read_text()


def test_scores_and_verdicts_are_the_expected_ones(folder: Path) -> None:
    score.main(["runs/stopped", "more.jsonl", "--detector", "detector.json", "--output", "scores.jsonl"])
    found = json_lines((folder / "scores.jsonl").read_text())
    expected = json_lines((EXPECTED / "scores.jsonl").read_text())
    assert_close(found, expected, tolerance=1e-3)
    results = {line.get("verdict", line.get("error")) for line in found}
    assert results == {"not detected", "too short", "no text", "not JSON"}


def test_detector_is_evaluated_as_expected(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    detect.main(["evaluate", "runs/stopped", "detector.json", "--count", "20", "--diversities", "0.5", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert_close(found, json.loads((EXPECTED / "detection.json").read_text()), tolerance=0.02, printed=True)
    assert {row["source"] for row in found["rows"]} == {"this run", "n-grams"}
    assert "n-grams" in (folder / "detection.html").read_text()


def test_new_detector_has_the_stored_format_and_numbers(folder: Path) -> None:
    detect.main(["train", "runs/stopped", "--to", "new.json", *DETECTOR_SETTINGS])
    found, stored = (json.loads((folder / name).read_text()) for name in ("new.json", "detector.json"))
    assert_close(found, stored, tolerance=0.02, ignored=["versions"])
    assert found["checkpoint"] == newest("runs/stopped")["sha256"]


def test_reports_and_status_show_the_stored_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    watch.main(["runs/stopped", "--once", "--json"])
    status = json.loads(capsys.readouterr().out)
    # The previous version wrote speeds only to TensorBoard's events. This version does not read events.
    expected = json.loads((EXPECTED / "watch.json").read_text()) | {"chars_per_second": None, "seconds_left": None}
    assert_close(status, expected, ignored=["state", "saved_seconds"], printed=True)
    assert status["state"] in ("under way", "silent")  # depends on the age of the copy
    report.main(["runs/weak", "runs/stopped", "--json"])
    comparison = json.loads(capsys.readouterr().out)
    expected = json.loads((EXPECTED / "comparison.json").read_text())
    expected["runs"] = [run | {"chars_per_second": None, "goodput": None} for run in expected["runs"]]
    assert_close(comparison, expected, printed=True)
    (folder / "runs/stopped/report.html").unlink()
    report.main(["runs/stopped"])
    page = (folder / "runs/stopped/report.html").read_text()
    assert "AMD EPYC" in page  # the machine, from starts/
    assert "No start recorded its speed." in page
    assert FINGERPRINT[:8] in page
    assert "hr tarrne t ao emw h s ivicfn e  rakoreh" in page  # the sample of diversity 0.8


def models(folder: Path) -> list[dict[str, Any]]:
    """Return the promotions of models/current.json, newest first."""
    found: list[dict[str, Any]] = json.loads((folder / "models/current.json").read_text())["models"]
    return found


def test_stored_promotions_are_listed_rolled_back_and_made_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = models(folder)
    report_file = folder / f"models/reports/{FINGERPRINT[:8]}-stopped.json"
    stored_report = json.loads(report_file.read_text())
    promote.main(["--to", "models", "--history"])
    second, first = capsys.readouterr().out.splitlines()
    assert second.split("  ")[0::2] == ["2", "4.3631", "better by 1.1699 bits per character"]
    assert f"{folder}/runs/weak" in first

    promote.main(["runs/stopped", "--to", "models"])
    assert json.loads(capsys.readouterr().out)["reason"] == "in production already, as number 2"
    promote.main(["--to", "models", "--rollback"])
    third, *others = models(folder)
    assert others == stored
    assert third == stored[1] | {"number": 3, "reason": "rolled back from number 2", "promoted": third["promoted"]}

    capsys.readouterr()
    promote.main(["runs/stopped", "--to", "models"])
    fourth, *others = models(folder)
    assert others == [third, *stored]
    assert_close(fourth, stored[0] | {"number": 4, "previous": 3, "promoted": fourth["promoted"]})
    found = json.loads(report_file.read_text())
    assert found == json.loads(capsys.readouterr().out)
    assert_close(found, stored_report, ignored=["decided", "number", "replaces"])


def test_retraining_finds_the_reviews_judged(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    settings = {"reviews": "[reviews.jsonl, more.jsonl]", "bucket": ".", "preprocess": "preprocess.yaml"}
    retrain.main(["--run", "next", *sets(**settings)])
    assert "nothing new: a model of these reviews was promoted as number 1" in caplog.text
    assert not (folder / "runs/next").exists()


def test_stored_export_is_kept_and_gives_the_run_s_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(folder / "export")
    export.main(["runs/stopped", "--to", "export"])
    assert capsys.readouterr().out == "export/export.json\n"
    with pytest.raises(InputError, match=f"has an export of {folder}/runs/stopped, step {STOPPED_STEP}"):
        export.main(["runs/weak", "--to", "export"])
    assert files(folder / "export") == before

    with zipfile.ZipFile("export/model.keras") as archive:
        symbols = json.loads(archive.read("vocabulary.json"))
    model = keras.models.load_model("export/model.keras", compile=False)
    ids = [symbols.index(symbol) for symbol in "{the food"]
    for _ in range(20):
        ids.append(int(np.argmax(model(np.array([ids], np.int32))[0, -1])))
    sample.main(["runs/stopped", "--prompt", "{the food", "--diversity", "0", "--chars", "20", "--json"])
    assert "{the food" + json.loads(capsys.readouterr().out)["text"] == "".join(symbols[i] for i in ids)


def test_new_export_has_the_stored_format(folder: Path) -> None:
    export.main(["runs/stopped", "--to", "new"])
    found, stored = (json.loads((folder / name / "export.json").read_text()) for name in ("new", "export"))
    assert list(found["files"]) == list(stored["files"])
    assert_close(found, stored, ignored=["exported", "versions", *stored["files"]])
