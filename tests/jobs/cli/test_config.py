"""Configurations: from defaults, files and options, and as the text of --help and --print-config."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from jobs import train as train_command
from jobs.cli.config import format_help, format_template, load_config, read_mapping
from jobs.demo_reviews import DemoReviewsConfig
from jobs.evaluate import EvaluateConfig
from jobs.promote import PromoteConfig
from jobs.retrain import RetrainConfig
from preprocessing.errors import InputError
from preprocessing.pipeline.recipe import PreprocessConfig
from preprocessing.settings import default_values, flatten
from trainer.config import ModelConfig, TrainConfig

DEMO = Path(__file__).parents[3] / "jobs/demo.yaml"
CONFIGURATIONS = [PreprocessConfig, TrainConfig, EvaluateConfig, PromoteConfig, RetrainConfig, DemoReviewsConfig]
each_configuration = pytest.mark.parametrize("job", CONFIGURATIONS, ids=lambda job: job.__name__)


def preprocess(*sets: str, file: Path | None = None) -> PreprocessConfig:
    return load_config(PreprocessConfig, file=file, sets=["input=in.jsonl", "output=out", *sets])


def train(*sets: str, file: Path | None = None) -> TrainConfig:
    return load_config(TrainConfig, file=file, sets=["dataset=d", "runs=r", *sets])


def error(job: type[object], *sets: str, file: Path | None = None) -> str:
    with pytest.raises(InputError) as raised:
        load_config(job, file=file, sets=sets)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def train_error(*sets: str) -> str:
    return error(TrainConfig, "dataset=d", "runs=r", *sets)


def test_defaults_hold_unless_a_set_replaces_them() -> None:
    config = train()
    assert config.epochs == 20
    assert config.model.lstm_units == (1024, 512)
    assert config.sample.diversities == (0.2, 0.4, 0.6, 0.8)
    assert train("epochs=3").epochs == 3


def test_a_key_of_a_section_is_set_alone() -> None:
    config = train("model.embedding_units=16", "sample.diversities=[0, 1.5]")
    assert config.model == ModelConfig(lstm_units=(1024, 512), embedding_units=16)
    assert config.sample.diversities == (0, 1.5)
    assert config.sample.chars == 400


@pytest.mark.parametrize(
    ("written", "read"),
    [("my #1.json", "my #1.json"), ("'my #1.json'", "my #1.json"), ("a b", "a b"), ("[a, 'b #2']", ("a", "b #2"))],
)
def test_a_path_may_contain_spaces_and_hashes(written: str, read: object) -> None:
    assert preprocess(f"input={written}").input == read


@pytest.mark.parametrize("written", ["[]", "[[a]]", "5", "{a: b}", "[a, 5]"])
def test_an_input_is_a_url_or_a_list_of_urls(written: str) -> None:
    assert error(PreprocessConfig, f"input={written}", "output=out").startswith("input")


@pytest.mark.parametrize(
    ("written", "read"), [("3e-3", 0.003), ("0.003", 0.003), ("1", 1.0), ("2.5E-4", 0.00025), ("1.e-2", 0.01)]
)
def test_a_number_may_have_an_exponent(written: str, read: float) -> None:
    assert train(f"learning_rate={written}").learning_rate == read


@pytest.mark.parametrize(("written", "read"), [("auto", "auto"), ("7", 7)])
def test_a_key_of_two_kinds_takes_both(written: str, read: object) -> None:
    assert preprocess(f"shards={written}").shards == read


@pytest.mark.parametrize("date", ["2024-01-31", "2024-13-45"])
def test_a_folder_named_like_a_date_is_text(date: str) -> None:
    assert preprocess(f"output={date}").output == date


def test_a_value_may_hold_an_equals_sign() -> None:
    assert preprocess("output=runs/day=1").output == "runs/day=1"


def test_the_last_of_two_sets_counts() -> None:
    assert train("epochs=3", "epochs=4").epochs == 4


def test_a_config_file_replaces_some_keys_and_set_replaces_it(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("epochs: 5\nlearning_rate: 3e-3\nmodel:\n  embedding_units: 8\n")
    config = train("epochs=6", file=file)
    assert (config.epochs, config.learning_rate) == (6, 0.003)
    assert config.model == ModelConfig(lstm_units=(1024, 512), embedding_units=8)


def test_last_values_replace_config_file_and_set(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("output: of-the-file\nstride_chars: 5\n")
    last = {"input": ("one", "two # and a half"), "output": "null"}
    config = load_config(PreprocessConfig, file=file, sets=["output=of-set"], last=last)
    assert (config.input, config.output, config.stride_chars) == (("one", "two # and a half"), "null", 5)


def test_an_unknown_key_is_an_error_that_names_the_nearest() -> None:
    assert train_error("epoch=3") == "--set: unknown key epoch=3; the nearest known key is epochs"


def test_an_unknown_key_of_a_section_names_the_nearest() -> None:
    wrong = train_error("model.lstm_unit=[3]")
    assert wrong == "--set: unknown key model.lstm_unit=[3]; the nearest known key is model.lstm_units"


def test_an_unknown_key_of_a_config_file_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("batch: 32\n")
    wrong = error(TrainConfig, file=file)
    assert wrong == f"{file}: unknown key batch=32; the nearest known key is batch_windows"


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        ("epochs=many", "epochs='many': expected a valid integer"),
        ("epochs=3.0", "epochs=3.0: expected a valid integer"),
        ("epochs=true", "epochs=True: expected a valid integer"),
        ("epochs='3'", "epochs='3': expected a valid integer"),
        ("learning_rate=fast", "learning_rate='fast': expected a valid number"),
        ("runs=5", "runs=5: expected a valid string"),
        ("model.lstm_units=512", "model.lstm_units=512: expected a valid array"),
        ("model.lstm_units=[8, x]", "model.lstm_units.1='x': expected a valid integer"),
    ],
)
def test_a_wrong_type_is_named_with_key_and_value(sets: str, expected: str) -> None:
    assert train_error(sets) == expected


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        ("epochs=0", "epochs=0: expected greater than 0"),
        ("learning_rate=0", "learning_rate=0: expected greater than 0"),
        ("learning_rate=.nan", "learning_rate=nan: expected a finite number"),
        ("learning_rate=.inf", "learning_rate=inf: expected a finite number"),
        ("seed=2147483648", "seed=2147483648: expected less than 2147483648"),
        ("objective=first", "objective='first': expected 'every' or 'last'"),
        ("checkpoint.keep=1", "checkpoint.keep=1: expected greater than or equal to 2"),
        ("sample.diversities=[0.5, -1]", "sample.diversities.1=-1: expected greater than or equal to 0"),
        ("runs=''", "runs='': expected to have at least 1 character"),
    ],
)
def test_a_value_out_of_range_is_named_with_the_range(sets: str, expected: str) -> None:
    assert train_error(sets).lower() == expected.lower()


def test_a_key_of_two_kinds_says_what_either_expects() -> None:
    wrong = error(PreprocessConfig, "input=i", "output=o", "shards=many")
    assert wrong == "shards='many': expected 'auto' or a valid integer"


def test_a_required_key_that_is_not_set_says_how_to_set_it() -> None:
    assert error(TrainConfig) == "dataset: required; set it with --set dataset=... or in --config"


def test_a_value_for_a_section_names_the_section_s_keys() -> None:
    assert train_error("model=5") == "--set: model=5: expected keys below it: lstm_units, embedding_units"


def test_a_section_for_a_value_is_an_error() -> None:
    assert train_error("runs.here=5") == "runs={'here': 5}: expected a valid string"


def test_a_set_without_a_value_is_an_error() -> None:
    assert train_error("epochs") == "--set epochs: expected key=value"


def test_a_set_that_is_not_yaml_is_an_error() -> None:
    assert train_error("epochs=[1").startswith("--set epochs=[1: not YAML")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"- epochs\n", "expected a mapping of keys to values, found list"),
        (b"epochs: [\n", "not YAML"),
        (b"\xff\xfe\xff", "cannot be read as a configuration"),
    ],
)
def test_a_config_file_that_is_no_yaml_mapping_is_named(content: bytes, expected: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(content)
    assert error(TrainConfig, file=file).startswith(f"{file}: {expected}")


def test_a_config_file_of_comments_alone_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("# epochs: 3\n")
    sets = ["dataset=d", "runs=r"]
    assert load_config(TrainConfig, file=tmp_path / "mine.yaml", sets=sets) == load_config(TrainConfig, sets=sets)


def test_a_missing_config_file_is_named(tmp_path: Path) -> None:
    assert error(TrainConfig, file=tmp_path / "no.yaml").startswith(f"{tmp_path}/no.yaml: cannot be read")


@each_configuration
def test_help_lists_each_key_with_type_default_and_text(job: type[object]) -> None:
    lines = format_help(job).splitlines()
    assert [line.split()[0] for line in lines] == [name for name, _ in flatten(default_values(job))]
    for line in lines:
        kind, default, text = line[27:61].strip(), line[62:86].strip(), line[87:].strip()
        assert kind
        assert default
        assert len(text.split()) > 1


def test_help_shows_type_range_and_default_of_a_key() -> None:
    lines = {line.split()[0]: line.split() for line in format_help(TrainConfig).splitlines()}
    assert lines["learning_rate"][1:4] == ["number", ">", "0"]
    assert lines["learning_rate"][4] == "0.002"
    assert lines["seed"][1:6] == ["integer", ">=", "0", "<", "2147483648"]
    assert lines["dataset"][1:3] == ["string", "(required)"]
    assert lines["model.lstm_units"][1:7] == ["list", "of", "integer", ">", "0", "[1024,"]
    assert lines["objective"][1:5] == ["every", "|", "last", "every"]


def test_the_printed_configuration_of_evaluation() -> None:
    assert format_template(EvaluateConfig) == (
        "dataset: ''                    # URL of a dataset with the run's vocabulary; empty: the dataset that the run "
        "was trained on\n"
        "split: test                    # split to predict: train, validation or test\n"
        "checkpoint: newest             # newest, best (by validation loss) or a step\n"
        "batch_windows: 128             # windows in a step, and lanes of carried state; changes the result a little\n"
    )


def test_print_config_needs_no_other_argument(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        train_command.main(["--print-config"])
    assert exit_.value.code in (0, None)
    assert capsys.readouterr().out == format_template(TrainConfig)


def test_a_printed_configuration_names_sections_and_required_keys() -> None:
    lines = format_template(TrainConfig).splitlines()
    assert lines[0] == "dataset: null                  # required: URL of a folder written by jobs.preprocess"
    assert lines[lines.index("model:") + 1].startswith("  lstm_units: [1024, 512]      # units")


@each_configuration
def test_a_printed_configuration_is_accepted_and_changes_nothing(job: type[object], tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(format_template(job))
    required = [f"{name}=x" for name, value in flatten(default_values(job)) if value is None]
    assert load_config(job, file=tmp_path / "all.yaml", sets=required) == load_config(job, sets=required)
    if required:
        assert "required; set it with --set" in error(job, file=tmp_path / "all.yaml")


@each_configuration
def test_the_defaults_are_valid_once_the_required_keys_are_set(job: Any) -> None:
    required = [name for name, value in flatten(default_values(job)) if value is None]
    config: Any = load_config(job, sets=[f"{name}=x" for name in required])
    assert config == job(**dict.fromkeys(required, "x"))
    assert [field.name for field in dataclasses.fields(config)] == list(default_values(job))


def test_the_demo_changes_defaults_of_training() -> None:
    before, changed = dict(flatten(default_values(TrainConfig))), dict(flatten(read_mapping(DEMO)))
    assert changed
    assert [name for name, value in changed.items() if value == before[name]] == []
    demo = train(file=DEMO)
    assert (demo.epochs, demo.seed) == (changed["epochs"], before["seed"])


def test_a_configuration_cannot_be_changed_afterwards() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        train().epochs = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("epochs: 2\nseed: 3\nepochs: 4\n", "line 3: the key epochs is given twice"),
        ("model:\n  embedding_units: 1\n  embedding_units: 2\n", "line 3: the key embedding_units is given twice"),
        ("epochs: 010\n", "line 1: 010 is no decimal number"),
        ("epochs: 1:30\n", "line 1: 1:30 is no decimal number"),
        ("learning_rate: 1:30.5\n", "line 1: 1:30.5 is no decimal number"),
    ],
)
def test_repeated_key_or_number_that_is_not_decimal_is_refused(text: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "train.yaml").write_text(text)
    with pytest.raises(InputError, match=f"train.yaml: not YAML: {problem}"):
        load_config(TrainConfig, file=tmp_path / "train.yaml", sets=["dataset=d", "runs=r"])


def test_zero_and_a_fraction_are_decimal_numbers(tmp_path: Path) -> None:
    (tmp_path / "train.yaml").write_text("warmup_steps: 0\nclip_norm: 0.5\n")
    config = load_config(TrainConfig, file=tmp_path / "train.yaml", sets=["dataset=d", "runs=r"])
    assert (config.warmup_steps, config.clip_norm) == (0, 0.5)
