import json
from pathlib import Path

import pytest

from jobs import check


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        check.main(arguments)
    return int(str(ended.value.code))


def test_all_checks_of_a_good_machine_are_lines_and_leave_nothing(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bucket").mkdir()
    assert run("--set", f"bucket={tmp_path / 'bucket'}", "--set", f"dataset={dataset}") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:2] for line in lines] == ["ok"] * len(lines)
    assert len(lines) == 13
    assert list((tmp_path / "bucket").iterdir()) == []


def test_json_has_each_result_and_the_exit_code_is_the_first_failure_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--json", "--set", "min_gpus=1", "--set", "dataset=absent") == 2
    results = {result["name"]: result for result in json.loads(capsys.readouterr().out)}
    assert results["bucket"]["outcome"] == "skipped"
    assert (results["dataset"]["outcome"], results["dataset"]["exit_code"]) == ("failed", 2)
    assert (results["devices"]["outcome"], results["devices"]["exit_code"]) == ("failed", 1)


@pytest.mark.usefixtures("store")
def test_bucket_that_does_not_exist_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--set", "bucket=gs://nobody") == 2
    assert "FAILED  bucket: write" in capsys.readouterr().out
