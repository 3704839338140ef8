"""The model registry, with entries of models that do not exist."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from jobs import promote
from jobs.promotion.registry import ModelRegistry, PromotedModel
from preprocessing.errors import Conflict, InputError

FILE = "checkpoints/step-00000001-aa.safetensors"


def model(folder: Path, number: int, **changes: Any) -> PromotedModel:
    """Make the entry of a promotion, and the file of its checkpoint in its own run."""
    run = folder / f"run-{number}"
    (run / FILE).parent.mkdir(parents=True)
    (run / FILE).touch()
    values: dict[str, Any] = {
        "number": number,
        "run": str(run),
        "checkpoint": FILE,
        "sha256": "aa",
        "step": 1,
        "dataset": "f00d",
        "split": "test",
        "chars": 100,
        "bits_per_char": 4 - number / 10,
        "gain_bits": 0.1 if number > 1 else None,
        "reason": "first model" if number == 1 else "better by 0.1000 bits per character",
        "promoted": "2026-01-01T00:00:00Z",
        "previous": number - 1 or None,
    }
    return PromotedModel(**values | changes)


def promoted(folder: Path, count: int) -> str:
    """Promote `count` models and return the URL of the registry."""
    registry = ModelRegistry(str(folder / "models"))
    for number in range(1, count + 1):
        registry.promote(model(folder, number))
    return registry.url


def runs(url: str) -> list[str]:
    """Return the names of the promoted runs, newest first."""
    return [Path(model.run).name for model in ModelRegistry(url).history]


def test_newest_promotion_is_production_and_history_is_kept(tmp_path: Path) -> None:
    url = promoted(tmp_path, 3)
    production = ModelRegistry(url).production
    assert production
    assert (production.number, production.previous, production.bits_per_char) == (3, 2, 3.7)
    assert runs(url) == ["run-3", "run-2", "run-1"]
    current = json.loads((tmp_path / "models/current.json").read_bytes())
    assert (current["format"], [model["number"] for model in current["models"]]) == (1, [3, 2, 1])


def test_no_production_before_the_first_promotion(tmp_path: Path) -> None:
    assert ModelRegistry(str(tmp_path)).production is None
    assert list(tmp_path.iterdir()) == []


def test_each_rollback_goes_one_model_further_back(tmp_path: Path) -> None:
    url = promoted(tmp_path, 3)
    back = ["--to", url, "--rollback"]
    promote.main(back)
    production = ModelRegistry(url).production
    assert production
    assert (production.number, production.previous, production.reason) == (4, 1, "rolled back from number 3")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", production.promoted)
    promote.main(back)
    assert runs(url) == ["run-1", "run-2", "run-3", "run-2", "run-1"]
    before = (tmp_path / "models/current.json").read_bytes()
    with pytest.raises(InputError, match="nothing to roll back to: number 5 replaced no model"):
        promote.main(back)
    assert (tmp_path / "models/current.json").read_bytes() == before


def test_rollback_goes_to_the_model_that_the_last_promotion_replaced(tmp_path: Path) -> None:
    url = promoted(tmp_path, 2)
    ModelRegistry(url).roll_back()
    ModelRegistry(url).promote(model(tmp_path, 4, previous=3))
    ModelRegistry(url).roll_back()
    assert runs(url) == ["run-1", "run-4", "run-1", "run-2", "run-1"]
    with pytest.raises(InputError, match="number 5 replaced no model"):
        ModelRegistry(url).roll_back()


def test_rollback_without_models_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to roll back to: no current.json"):
        promote.main(["--to", str(tmp_path), "--rollback"])


def test_rollback_to_a_missing_checkpoint_is_refused(tmp_path: Path) -> None:
    url = promoted(tmp_path, 2)
    missing = tmp_path / "run-1" / FILE
    missing.unlink()
    with pytest.raises(InputError, match=f"{missing}: missing: cannot roll back to number 1"):
        promote.main(["--to", url, "--rollback"])
    assert runs(url) == ["run-2", "run-1"]


def test_second_of_two_concurrent_promotions_raises_conflict_and_changes_nothing(tmp_path: Path) -> None:
    url = promoted(tmp_path, 2)
    first, second = ModelRegistry(url), ModelRegistry(url)
    first.roll_back()
    before = (tmp_path / "models/current.json").read_bytes()
    with pytest.raises(Conflict):
        second.promote(model(tmp_path, 3))
    assert (tmp_path / "models/current.json").read_bytes() == before


def test_history_prints_one_line_per_promotion_newest_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = promoted(tmp_path, 2)
    promote.main(["--to", url, "--history"])
    assert capsys.readouterr().out == (
        f"2  2026-01-01T00:00:00Z  3.8000  {tmp_path}/run-2  better by 0.1000 bits per character\n"
        f"1  2026-01-01T00:00:00Z  3.9000  {tmp_path}/run-1  first model\n"
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('{\n "format": 1', '{\n "format": 2', "format 2, expected at most 1: written by a newer version"),
        ('{\n "format": 1', "[1", "expected `,` or `]`"),
        ('"number": 1', '"number": 7', "its models are not numbered in sequence"),
        ('"previous": 1', '"previous": 2', "the `previous` of a model is not an earlier number"),
        ('"step": 1', '"step": "one"', "models.0.step='one': expected a valid integer"),
        ('"step"', '"pets"', "models.0.step: missing"),
        (FILE, "checkpoints/../../secret", "models.0.checkpoint='checkpoints/../../secret'"),
    ],
)
def test_damaged_or_newer_registry_is_refused(tmp_path: Path, old: str, new: str, expected: str) -> None:
    url = promoted(tmp_path, 2)
    path = tmp_path / "models/current.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError, match=f"{path}: not an index of promoted models: {expected}"):
        ModelRegistry(url)


def test_registry_without_models_is_refused(tmp_path: Path) -> None:
    (tmp_path / "current.json").write_text('{"format": 1, "models": []}')
    with pytest.raises(
        InputError, match="current.json: not an index of promoted models: models=.*: expected to have at"
    ):
        ModelRegistry(str(tmp_path))


@pytest.mark.parametrize("argv", [[], ["--rollback", "--history"], ["run", "--history"], ["--rollback", "--force"]])
def test_command_takes_exactly_one_action(tmp_path: Path, argv: list[str]) -> None:
    with pytest.raises(InputError, match="expected one of RUN, --history and --rollback"):
        promote.main([*argv, "--to", str(tmp_path)])


def test_model_is_read_as_it_was_written(tmp_path: Path) -> None:
    first = model(tmp_path, 1, reason="first \N{SNOWMAN}")
    ModelRegistry(str(tmp_path / "models")).promote(first)
    assert ModelRegistry(str(tmp_path / "models")).history == (first,)
