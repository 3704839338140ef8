import json
import re
from pathlib import Path

import pytest

from jobs import check
from preprocessing.storage.urls import open_bucket
from tests.support.gcs_emulator import Fault, FaultyStore
from tests.support.runs import finish, start, wait_until


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
    assert len(lines) == 14
    assert list((tmp_path / "bucket").iterdir()) == []


def test_json_has_each_result_and_the_exit_code_is_the_first_failure_s(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = tmp_path / "train.yaml"
    train.write_text("min_gpus: 1\nstaging: {max_bytes: 1000000000000000}\n")
    assert run("--json", "--set", f"train={train}", "--set", "dataset=absent") == 2
    results = {result["name"]: result for result in json.loads(capsys.readouterr().out)}
    assert results["bucket"]["outcome"] == "skipped"
    assert "less than staging.max_bytes=1000000000000000" in results["scratch"]["found"]
    assert (results["dataset"]["outcome"], results["dataset"]["exit_code"]) == ("failed", 2)
    assert (results["devices"]["outcome"], results["devices"]["exit_code"]) == ("failed", 1)


@pytest.mark.usefixtures("store")
def test_bucket_that_does_not_exist_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--set", "bucket=gs://nobody") == 2
    assert "FAILED  bucket: write" in capsys.readouterr().out


def test_bucket_of_a_wrong_url_is_a_result_in_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--json", "--set", "bucket=ftp://reviews") == 2
    results = {result["name"]: result for result in json.loads(capsys.readouterr().out)}
    assert (results["bucket: open"]["outcome"], results["devices"]["outcome"]) == ("failed", "ok")


def test_role_that_only_reads_is_named(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    FaultyStore.faults.append(Fault("^(POST|PUT|DELETE)", 403, 99))
    assert run("--set", f"bucket={store}") == 2
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if "bucket" in line] == ["ok", "FAILED", "skipped"]


@pytest.mark.slow
def test_sigterm_while_the_store_is_away_ends_the_command(store: str) -> None:
    FaultyStore.outage = 1_000_000
    process = start(["--set", f"bucket={store}"], job="check")
    wait_until(lambda: "tried again" in process.log.read_text(), process)
    process.terminate()
    text = finish(process, code=143)
    assert re.search("deleting what is left in gs://reviews/check-[0-9a-f]{32}", text)


def test_sigterm_between_two_requests_leaves_nothing(store: str) -> None:
    process = start(["--set", f"bucket={store}"], job="check")
    wait_until(lambda: "conditional write" in process.log.read_text(), process)
    process.terminate()
    text = process.output()
    # A library that is being imported may swallow the exception. Then the command goes on, for 20 seconds at most.
    assert process.returncode in (0, 143), text
    assert open_bucket(store).names() == []
