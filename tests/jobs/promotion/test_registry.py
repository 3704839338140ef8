"""The pointer to the model in production, with no model behind it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from jobs import promote
from jobs.promotion.registry import Model, Models
from preprocessing.errors import Conflict, InputError

FILE = "checkpoints/step-00000001-aa.safetensors"


def model(folder: Path, number: int, **changes: Any) -> Model:
    """The promotion of number's own run, with the file of its checkpoint."""
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
    return Model(**values | changes)


def promoted(folder: Path, count: int) -> str:
    """The URL of models of which the last is number `count`."""
    models = Models(str(folder / "models"))
    for number in range(1, count + 1):
        models.add(model(folder, number))
    return models.url


def runs(url: str) -> list[str]:
    """The names of the promoted runs, newest first."""
    return [Path(one.run).name for one in Models(url).history]


def test_the_newest_promotion_is_production_and_none_is_dropped(tmp_path: Path) -> None:
    url = promoted(tmp_path, 3)
    production = Models(url).production
    assert production
    assert (production.number, production.previous, production.bits_per_char) == (3, 2, 3.7)
    assert runs(url) == ["run-3", "run-2", "run-1"]
    found = json.loads((tmp_path / "models/current.json").read_bytes())
    assert (found["format"], [one["number"] for one in found["models"]]) == (1, [3, 2, 1])


def test_there_is_no_production_before_the_first_promotion(tmp_path: Path) -> None:
    assert Models(str(tmp_path)).production is None
    assert list(tmp_path.iterdir()) == []


def test_each_rollback_goes_one_further_back_until_there_is_none_left(tmp_path: Path) -> None:
    url = promoted(tmp_path, 3)
    back = ["--to", url, "--rollback"]
    promote.main(back)
    production = Models(url).production
    assert production
    assert (production.number, production.previous, production.reason) == (4, 1, "rolled back from number 3")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", production.promoted)
    promote.main(back)
    assert runs(url) == ["run-1", "run-2", "run-3", "run-2", "run-1"]
    before = (tmp_path / "models/current.json").read_bytes()
    with pytest.raises(InputError, match="nothing to go back to: number 5 replaced no other"):
        promote.main(back)
    assert (tmp_path / "models/current.json").read_bytes() == before


def test_a_rollback_after_a_promotion_after_a_rollback_goes_to_what_that_promotion_replaced(tmp_path: Path) -> None:
    url = promoted(tmp_path, 2)
    Models(url).roll_back()
    Models(url).add(model(tmp_path, 4, previous=3))
    Models(url).roll_back()
    assert runs(url) == ["run-1", "run-4", "run-1", "run-2", "run-1"]
    with pytest.raises(InputError, match="number 5 replaced no other"):
        Models(url).roll_back()


def test_a_rollback_without_models_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to go back to: no current.json"):
        promote.main(["--to", str(tmp_path), "--rollback"])


def test_a_rollback_to_a_checkpoint_that_is_gone_is_refused(tmp_path: Path) -> None:
    url = promoted(tmp_path, 2)
    gone = tmp_path / "run-1" / FILE
    gone.unlink()
    with pytest.raises(InputError, match=f"{gone}: missing: no way back to number 1"):
        promote.main(["--to", url, "--rollback"])
    assert runs(url) == ["run-2", "run-1"]


def test_of_two_that_read_the_same_the_second_to_write_gets_a_conflict_and_changes_nothing(tmp_path: Path) -> None:
    url = promoted(tmp_path, 2)
    one, other = Models(url), Models(url)
    one.roll_back()
    before = (tmp_path / "models/current.json").read_bytes()
    with pytest.raises(Conflict):
        other.add(model(tmp_path, 3))
    assert (tmp_path / "models/current.json").read_bytes() == before


def test_the_history_is_one_line_a_promotion_newest_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
        ('"number": 1', '"number": 7', "its models are not numbered one after the other"),
        ('"previous": 1', '"previous": 2', "a model's previous one is not before it"),
        ('"step": 1', '"step": "one"', "models.0.step='one': expected a valid integer"),
        ('"step"', '"pets"', "models.0.step: missing"),
        (FILE, "checkpoints/../../secret", "models.0.checkpoint='checkpoints/../../secret'"),
    ],
)
def test_a_pointer_that_is_damaged_or_newer_is_named(tmp_path: Path, old: str, new: str, expected: str) -> None:
    url = promoted(tmp_path, 2)
    path = tmp_path / "models/current.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError, match=f"{path}: not an index of promoted models: {expected}"):
        Models(url)


def test_a_pointer_without_models_is_none(tmp_path: Path) -> None:
    (tmp_path / "current.json").write_text('{"format": 1, "models": []}')
    with pytest.raises(
        InputError, match="current.json: not an index of promoted models: models=.*: expected to have at"
    ):
        Models(str(tmp_path))


@pytest.mark.parametrize("asked", [[], ["--rollback", "--history"], ["run", "--history"], ["--rollback", "--force"]])
def test_what_to_do_has_to_be_one_thing(tmp_path: Path, asked: list[str]) -> None:
    with pytest.raises(InputError, match="expected one of RUN, --history and --rollback"):
        promote.main([*asked, "--to", str(tmp_path)])


def test_a_model_is_read_as_it_was_written(tmp_path: Path) -> None:
    one = model(tmp_path, 1, reason="first \N{SNOWMAN}")
    Models(str(tmp_path / "models")).add(one)
    assert Models(str(tmp_path / "models")).history == (one,)
