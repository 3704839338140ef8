from pathlib import Path

import pytest

from jobs import schema, train
from jobs.config import load
from jobs.dataset import open_dataset
from jobs.run import begin, open_run
from preprocessing.errors import InputError


@pytest.mark.parametrize("content", [b"", b"[1", b"- 1", b"\xff\xfe\x00", b"text"])
def test_a_configuration_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(InputError, match=f"{tmp_path}/config.yaml: not a run's configuration"):
        open_run(str(tmp_path))


def test_a_configuration_of_other_keys_is_refused(tmp_path: Path, dataset: Path) -> None:
    (tmp_path / "manifest.json").write_bytes((dataset / "manifest.json").read_bytes())
    (tmp_path / "config.yaml").write_text("epochs: 3\n")
    with pytest.raises(InputError, match="missing"):
        open_run(str(tmp_path))


def test_a_run_without_a_checkpoint_takes_a_corrected_configuration(dataset: Path, tmp_path: Path) -> None:
    made = open_dataset(str(dataset)).manifest
    for seed in (1, 2):
        begin(str(tmp_path), "name", config(seed), made)
    (tmp_path / "name/checkpoint.json").write_text("{}")
    with pytest.raises(InputError, match="a run of another configuration: seed=2, now 3: use another run name"):
        begin(str(tmp_path), "name", config(3), made)
    begin(str(tmp_path), "name", config(2), made)


def config(seed: int) -> schema.Train:
    return load(schema.Train, train.DEFAULT, sets=["dataset=d", "runs=r", f"seed={seed}"])


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{tmp_path}: no config.yaml and manifest.json: not a run"):
        open_run(str(tmp_path))
