import dataclasses
import typing
from pathlib import Path

import pytest
import yaml

from jobs.cli.config import as_yaml, differences, keys, load, mapping, validated
from jobs.cli.help import describe
from preprocessing.errors import InputError
from trainer import config as schema

JOBS = Path(__file__).parents[3] / "jobs"
PREPROCESS, TRAIN = JOBS / "preprocess.yaml", JOBS / "train.yaml"
DEFAULTS = {
    "preprocess": schema.Preprocess,
    "train": schema.Train,
    "evaluate": schema.Evaluate,
    "promote": schema.Promote,
    "retrain": schema.Retrain,
    "demo_reviews": schema.DemoReviews,
}
CLASSES = [getattr(schema, name) for name in dir(schema) if dataclasses.is_dataclass(getattr(schema, name))]


def preprocess(*sets: str, config: Path | None = None) -> schema.Preprocess:
    return load(schema.Preprocess, PREPROCESS, config=config, sets=["input=in.jsonl", "output=out", *sets])


def train(*sets: str, config: Path | None = None) -> schema.Train:
    return load(schema.Train, TRAIN, config=config, sets=["dataset=d", "runs=r", *sets])


def error(job: type[object], default: Path, *sets: str, config: Path | None = None) -> str:
    with pytest.raises(InputError) as raised:
        load(job, default, config=config, sets=sets)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def train_error(*sets: str) -> str:
    return error(schema.Train, TRAIN, "dataset=d", "runs=r", *sets)


def test_the_defaults_hold_unless_something_replaces_them() -> None:
    config = train()
    assert config.epochs == 20
    assert config.model.lstm_units == (1024, 512)
    assert config.sample.diversities == (0.2, 0.4, 0.6, 0.8)
    assert train("epochs=3").epochs == 3


def test_a_key_below_another_is_set_alone() -> None:
    config = train("model.embedding_units=16", "sample.diversities=[0, 1.5]")
    assert config.model == schema.Model(lstm_units=(1024, 512), embedding_units=16)
    assert config.sample.diversities == (0, 1.5)
    assert config.sample.chars == 400


@pytest.mark.parametrize(
    ("written", "read"),
    [("my #1.json", "my #1.json"), ("'my #1.json'", "my #1.json"), ("a b", "a b"), ("[a, 'b #2']", ("a", "b #2"))],
)
def test_a_path_is_taken_as_it_stands(written: str, read: object) -> None:
    assert preprocess(f"input={written}").input == read


@pytest.mark.parametrize("written", ["[]", "[[a]]", "5", "{a: b}", "[a, 5]"])
def test_an_input_that_is_no_url_and_no_list_of_them_is_an_error(written: str) -> None:
    assert error(schema.Preprocess, PREPROCESS, f"input={written}", "output=out").startswith("input")


@pytest.mark.parametrize(
    ("written", "read"), [("3e-3", 0.003), ("0.003", 0.003), ("1", 1.0), ("2.5E-4", 0.00025), ("1.e-2", 0.01)]
)
def test_a_number_is_read_as_people_write_it(written: str, read: float) -> None:
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
    config = train("epochs=6", config=file)
    assert (config.epochs, config.learning_rate) == (6, 0.003)
    assert config.model == schema.Model(lstm_units=(1024, 512), embedding_units=8)


def test_what_a_caller_has_to_say_last_replaces_a_config_file_and_set(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("output: of-the-file\nstride_chars: 5\n")
    last = {"input": ("one", "two # and a half"), "output": "null"}
    config = load(schema.Preprocess, PREPROCESS, config=file, sets=["output=of-set"], last=last)
    assert (config.input, config.output, config.stride_chars) == (("one", "two # and a half"), "null", 5)


def test_an_unknown_key_is_an_error_that_names_the_nearest() -> None:
    assert train_error("epoch=3") == "--set: unknown key epoch=3; the nearest known key is epochs"


def test_an_unknown_key_below_another_names_the_nearest() -> None:
    wrong = train_error("model.lstm_unit=[3]")
    assert wrong == "--set: unknown key model.lstm_unit=[3]; the nearest known key is model.lstm_units"


def test_an_unknown_key_of_a_config_file_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("batch: 32\n")
    wrong = error(schema.Train, TRAIN, config=file)
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
        ("epochs=0", "epochs=0: expected greater than or equal to 1"),
        ("learning_rate=0", "learning_rate=0: expected greater than 0"),
        ("learning_rate=.nan", "learning_rate=nan: expected a finite number"),
        ("learning_rate=.inf", "learning_rate=inf: expected a finite number"),
        ("seed=2147483648", "seed=2147483648: expected less than 2147483648"),
        ("objective=first", "objective='first': expected 'every' or 'last'"),
        ("checkpoint.keep=1", "checkpoint.keep=1: expected greater than or equal to 2"),
        ("sample.diversities=[0.5, -1]", "sample.diversities.1=-1: expected greater than or equal to 0"),
        ("runs=''", "runs='': expected String should have at least 1 character"),
    ],
)
def test_a_value_out_of_range_is_named_with_the_range(sets: str, expected: str) -> None:
    assert train_error(sets).lower() == expected.lower()


def test_a_key_of_two_kinds_says_what_either_expects() -> None:
    wrong = error(schema.Preprocess, PREPROCESS, "input=i", "output=o", "shards=many")
    assert wrong == "shards='many': expected 'auto' or a valid integer"


def test_a_required_key_that_is_not_set_says_how_to_set_it() -> None:
    assert error(schema.Train, TRAIN) == "dataset: required; set it with --set dataset=... or in --config"


def test_a_value_where_keys_are_expected_names_them() -> None:
    assert train_error("model=5") == "--set: model=5: expected keys below it: lstm_units, embedding_units"


def test_keys_where_a_value_is_expected_are_an_error() -> None:
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
def test_a_config_file_that_is_none_is_named(content: bytes, expected: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(content)
    assert error(schema.Train, TRAIN, config=file).startswith(f"{file}: {expected}")


def test_a_config_file_of_comments_alone_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("# epochs: 3\n")
    sets = ["dataset=d", "runs=r"]
    assert load(schema.Train, TRAIN, config=tmp_path / "mine.yaml", sets=sets) == load(schema.Train, TRAIN, sets=sets)


def test_a_config_file_that_is_absent_is_named(tmp_path: Path) -> None:
    assert error(schema.Train, TRAIN, config=tmp_path / "no.yaml").startswith(f"{tmp_path}/no.yaml: cannot be read")


def test_a_kept_configuration_that_lacks_a_key_names_it() -> None:
    values = yaml.safe_load(as_yaml(train()))
    del values["model"]["lstm_units"]
    with pytest.raises(InputError, match=r"^model\.lstm_units: missing$"):
        validated(schema.Train, values)


def test_a_kept_configuration_with_a_key_too_many_names_it() -> None:
    values = yaml.safe_load(as_yaml(train())) | {"beam_width": 4}
    with pytest.raises(InputError, match=r"^beam_width=4: unknown key$"):
        validated(schema.Train, values)


def test_the_effective_configuration_comes_back_from_its_yaml() -> None:
    config = train("learning_rate=3e-5", "model.lstm_units=[8]", "warm_start='no'")
    values = yaml.safe_load(as_yaml(config))
    assert validated(schema.Train, values) == config
    assert list(values) == [field.name for field in dataclasses.fields(schema.Train)]


def test_differences_name_each_key_whose_value_changed() -> None:
    old = {"epochs": 3, "seed": 1, "model": {"lstm_units": [8], "embedding_units": 0}}
    new = {"epochs": 4, "seed": 1, "model": {"lstm_units": [8, 8], "embedding_units": 0}, "keep": 2}
    assert differences(old, new) == [
        "epochs=3, now 4",
        "keep=None, now 2",
        "model.lstm_units=[8], now [8, 8]",
    ]
    assert differences(old, old) == []


def test_each_default_file_has_a_job() -> None:
    files = {path.stem for path in JOBS.glob("*.yaml")}
    assert files == {*DEFAULTS, "demo"}


@pytest.mark.parametrize("job", DEFAULTS)
def test_each_key_has_a_line_with_its_unit_or_reason(job: str) -> None:
    bare = []
    for line in (JOBS / f"{job}.yaml").read_text().splitlines():
        setting, mark, comment = line.partition("#")
        parent = setting.rstrip().endswith(":")
        if setting.strip() and not parent and (not mark or len(comment.split()) < 2):
            bare.append(line)
    assert bare == []


@pytest.mark.parametrize("job", DEFAULTS)
def test_help_lists_each_key_with_type_default_and_comment(job: str) -> None:
    lines = describe(DEFAULTS[job], JOBS / f"{job}.yaml").splitlines()
    assert [line.split()[0] for line in lines] == [key for key, _ in keys(mapping(JOBS / f"{job}.yaml"))]
    for line in lines:
        kind, default, comment = line[27:61].strip(), line[62:86].strip(), line[87:].strip()
        assert kind
        assert default
        assert comment


def test_help_shows_a_line_as_it_stands() -> None:
    lines = {line.split()[0]: line.split() for line in describe(schema.Train, TRAIN).splitlines()}
    assert lines["learning_rate"][1:4] == ["number", ">", "0"]
    assert lines["learning_rate"][4] == "0.002"
    assert lines["dataset"][1:3] == ["string", "(required)"]
    assert lines["model.lstm_units"][1:7] == ["list", "of", "integer", ">=", "1", "[1024,"]
    assert lines["objective"][1:5] == ["every", "|", "last", "every"]


@pytest.mark.parametrize("job", DEFAULTS)
def test_the_defaults_are_valid_once_the_required_keys_are_set(job: str) -> None:
    default = JOBS / f"{job}.yaml"
    required = [key for key, value in keys(mapping(default)) if value is None]
    config: typing.Any = load(DEFAULTS[job], default, sets=[f"{key}=x" for key in required])
    assert [field.name for field in dataclasses.fields(config)] == list(mapping(default))


def test_the_demo_is_a_change_of_the_defaults_of_training() -> None:
    defaults, changed = dict(keys(mapping(TRAIN))), dict(keys(mapping(JOBS / "demo.yaml")))
    assert changed
    assert [key for key, value in changed.items() if value == defaults[key]] == []
    demo = train(config=JOBS / "demo.yaml")
    assert (demo.epochs, demo.seed) == (changed["epochs"], defaults["seed"])


@pytest.mark.parametrize("job", CLASSES, ids=lambda job: job.__name__)
def test_a_default_stands_in_the_yaml_file_alone(job: typing.Any) -> None:
    fields = dataclasses.fields(job)
    assert fields
    assert [field.name for field in fields if field.default is not dataclasses.MISSING] == []
    assert [field.name for field in fields if field.default_factory is not dataclasses.MISSING] == []


def test_a_configuration_cannot_be_changed_afterwards() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        train().epochs = 5  # type: ignore[misc]
