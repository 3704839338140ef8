"""Promotion of small trained runs by the real command."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobs import export, promote, sample, train
from jobs.evaluate import main as evaluate
from jobs.promotion.decision import earlier_decision
from jobs.promotion.registry import ModelRegistry, PromotedModel
from preprocessing.dataset.folder import open_dataset
from preprocessing.errors import Conflict, InputError
from tests.jobs.promotion.test_registry import model
from tests.support.runs import arguments, newest
from trainer.runs.folder import begin_run, open_run


@pytest.fixture(scope="module")
def runs(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a weak run of 4 steps and a good run of 60 steps."""
    folder = tmp_path_factory.mktemp("runs")
    for name, steps in (("weak", 4), ("good", 60)):
        train.main(arguments(dataset, folder, name, max_chars=steps * 64 * 16, model__lstm_units="[12]"))
    return folder


def promoted(run: Path, models: Path, capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    """Promote a run and return the printed decision."""
    capsys.readouterr()
    promote.main([str(run), "--to", str(models), *more])
    decision: dict[str, Any] = json.loads(capsys.readouterr().out)
    return decision


def production(models: Path) -> PromotedModel:
    model = ModelRegistry(str(models)).production
    assert model
    return model


def test_first_model_is_promoted_without_comparison_and_a_better_model_by_its_gain(
    dataset: Path, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = promoted(runs / "weak", tmp_path, capsys)
    assert (first["promoted"], first["reason"], first["gain_bits"]) == (True, "first model", None)
    weak = production(tmp_path)
    saved = newest(runs / "weak")
    assert (weak.number, weak.previous, weak.run) == (1, None, str(runs / "weak"))
    assert (weak.checkpoint, weak.sha256, weak.step) == (saved["file"], saved["sha256"], 4)
    assert (weak.dataset, weak.split) == (open_dataset(str(dataset)).manifest.fingerprint, "test")

    better = promoted(runs / "good", tmp_path, capsys)
    good = production(tmp_path)
    assert (good.number, good.previous, good.run) == (2, 1, str(runs / "good"))
    assert better["promoted"]
    assert good.gain_bits == weak.bits_per_char - good.bits_per_char > 0.1
    assert good.reason == better["reason"] == f"better by {good.gain_bits:.4f} bits per character"
    evaluate([str(runs / "good")])
    assert json.loads(capsys.readouterr().out)["bits_per_char"] == good.bits_per_char

    again = promoted(runs / "good", tmp_path, capsys)
    assert again == {"promoted": False, "reason": "in production already, as number 2"}
    assert len(ModelRegistry(str(tmp_path)).history) == 2


def test_best_checkpoint_can_be_promoted_evaluated_sampled_and_exported(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train.main(arguments(dataset, tmp_path, checkpoint__keep_every_epochs=1))
    run = tmp_path / "small"
    index = json.loads((run / "checkpoint.json").read_text())
    index["checkpoints"][0]["validation"] = 9.0  # as if the last epoch had made the model worse
    (run / "checkpoint.json").write_text(json.dumps(index))
    best = min((e for e in index["checkpoints"] if e["validation"] is not None), key=lambda e: e["validation"])
    assert best["step"] < index["checkpoints"][0]["step"]
    decision = promoted(run, tmp_path / "models", capsys, "--set", "checkpoint=best")
    assert decision["candidate"]["step"] == production(tmp_path / "models").step == best["step"]
    for choice in ("best", str(best["step"])):
        evaluate([str(run), "--set", f"checkpoint={choice}"])
        assert json.loads(capsys.readouterr().out)["step"] == best["step"]
        sample.main([str(run), "--checkpoint", choice, "--chars", "9"])
        assert len(capsys.readouterr().out) > 9
    export.main([str(run), "--to", str(tmp_path / "export"), "--checkpoint", "best"])
    assert json.loads((tmp_path / "export/export.json").read_text())["step"] == best["step"]
    with pytest.raises(InputError, match="no checkpoint of step 77, expected newest, best or a step of "):
        sample.main([str(run), "--checkpoint", "77"])
    with pytest.raises(InputError, match="checkpoint='worst': expected 'newest' or 'best'"):
        evaluate([str(run), "--set", "checkpoint=worst"])


def test_report_has_decision_numbers_differences_and_samples_of_both_models(
    dataset: Path, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    promoted(runs / "good", tmp_path, capsys)
    before = (tmp_path / "current.json").read_bytes()
    decision = promoted(runs / "weak", tmp_path, capsys)
    assert not decision["promoted"]
    assert (tmp_path / "current.json").read_bytes() == before

    fingerprint = open_dataset(str(dataset)).manifest.fingerprint
    report = tmp_path / f"reports/{fingerprint[:8]}-weak"
    assert json.loads(report.with_suffix(".json").read_bytes()) == decision
    candidate, other = decision["candidate"]["bits_per_char"], decision["production"]["bits_per_char"]
    assert decision["production"]["number"] == 1
    assert decision["gain_bits"] == other - candidate < 0
    text = report.with_suffix(".md").read_text()
    assert text.startswith(f"# Not promoted: worse by {candidate - other:.4f} bits per character")
    assert f"| bits per character | {candidate:.4f} | {other:.4f} | {candidate - other:+.4f} |" in text
    assert "- max_chars=61440, now 4096\n" in text
    for name in ("weak", "good"):
        for text_sample in json.loads((runs / name / "samples/epoch-001.json").read_text())["samples"]:
            assert f"### Diversity {text_sample['diversity']:g}\n" in text
            assert f">     {text_sample['text'].splitlines()[-1]}" in text
    # The decision on the same dataset is found again: in current.json, then in the reports.
    earlier = earlier_decision(ModelRegistry(str(tmp_path)), fingerprint)
    assert earlier == f"promoted as number 1 on {production(tmp_path).promoted}"
    (tmp_path / "current.json").unlink()
    earlier = earlier_decision(ModelRegistry(str(tmp_path)), fingerprint)
    assert earlier == f"refused on {decision['decided']}: {decision['reason']}"


def test_gain_of_exactly_min_gain_bits_is_enough(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    promoted(runs / "weak", tmp_path, capsys)
    gain = promoted(runs / "good", tmp_path, capsys, "--set", "min_gain_bits=9")["gain_bits"]
    more = promoted(runs / "good", tmp_path, capsys, "--set", f"min_gain_bits={math.nextafter(gain, 9)}")
    assert (more["promoted"], more["gain_bits"]) == (False, gain)
    assert production(tmp_path).number == 1
    assert promoted(runs / "good", tmp_path, capsys, "--set", f"min_gain_bits={gain}")["promoted"]
    assert production(tmp_path).number == 2


def test_concurrent_promotion_raises_conflict_and_changes_no_report(dataset: Path, runs: Path, tmp_path: Path) -> None:
    from jobs.promotion.promote import promote_if_better

    settings: dict[str, Any] = {
        "checkpoint": "newest",
        "split": "test",
        "batch_windows": 128,
        "min_gain_bits": 0.01,
        "force": False,
    }
    stale, opened = ModelRegistry(str(tmp_path)), open_dataset(str(dataset))
    promote_if_better(open_run(str(runs / "weak")), opened, ModelRegistry(str(tmp_path)), **settings)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for name in ("weak", "good"):  # the same run as the first, and another
        with pytest.raises(Conflict):
            promote_if_better(open_run(str(runs / name)), opened, stale, **settings)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_production_is_evaluated_with_the_promoted_checkpoint(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(runs / "good", tmp_path / "good")
    models = tmp_path / "models"
    promoted(tmp_path / "good", models, capsys)
    checkpoint = tmp_path / "good" / production(models).checkpoint
    data = bytearray(checkpoint.read_bytes())
    data[-1] ^= 1
    checkpoint.write_bytes(data)
    altered = rf"{models}/current.json: number 1 cannot be evaluated: {checkpoint}: SHA-256 .*, expected .*--rollback"
    with pytest.raises(InputError, match=altered):
        promoted(runs / "weak", models, capsys)
    checkpoint.unlink()
    with pytest.raises(InputError, match=f"{checkpoint}: missing; go back"):
        promoted(runs / "weak", models, capsys)
    assert production(models).number == 1
    assert not [path for path in (models / "reports").iterdir() if "weak" in path.name]


def test_production_with_other_symbols_is_replaced_only_by_force(
    dataset: Path, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = open_dataset(str(dataset)).manifest
    other = replace(other, vocabulary=other.vocabulary[::-1])
    begin_run(str(tmp_path), "other", open_run(str(runs / "weak")).config, other)
    models = tmp_path / "models"
    ModelRegistry(str(models)).promote(model(tmp_path, 1, run=str(tmp_path / "other")))
    with pytest.raises(InputError, match="its vocabulary is not the one that .*other was trained on; .*--force"):
        promoted(runs / "weak", models, capsys)
    decision = promoted(runs / "weak", models, capsys, "--force")
    now = production(models)
    assert (now.number, now.reason) == (2, decision["reason"]) == (2, "promoted by hand, without comparison")
    assert (now.gain_bits, now.previous) == (None, 1)
