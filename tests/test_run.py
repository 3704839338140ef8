from pathlib import Path

import pytest

from jobs.run import open_run
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


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{tmp_path}: no config.yaml and manifest.json: not a run"):
        open_run(str(tmp_path))
