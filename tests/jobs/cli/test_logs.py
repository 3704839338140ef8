"""The log of a command: text for people, JSON for a log collector."""

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.runs import arguments

POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}


def logged(body: str, **environment: str) -> tuple[int, list[str]]:
    """Return the exit code and the lines on standard error of a command with this body."""
    script = f"import logging, warnings\nfrom jobs.cli import command\ndef main():\n    {body}\ncommand.run(main)"
    names = ("LOG_FORMAT", *POD)
    others = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, env=others | environment
    )
    return done.returncode, done.stderr.splitlines()


def objects(lines: list[str]) -> list[dict[str, Any]]:
    """Parse the lines, and check each object's time."""
    values = [json.loads(line) for line in lines]
    for value in values:
        assert abs(datetime.fromisoformat(value.pop("time")) - datetime.now(UTC)) < timedelta(hours=1)
    return values


@pytest.mark.parametrize(
    ("body", "code", "severity", "message"),
    [
        ("logging.getLogger('a').info('é %s', 'x\\ny')", 0, "INFO", "é x\ny"),
        ("logging.getLogger('a').warning('late')", 0, "WARNING", "late"),
        ("from preprocessing.errors import InputError; raise InputError('a\\nb')", 2, "ERROR", "-c: a b"),
        ("from preprocessing.errors import Stopped; raise Stopped", 143, "INFO", "stopped, as asked"),
        ("raise OSError('full')", 1, "ERROR", "stopped by a fault of the machine or the network: full"),
    ],
)
def test_a_pod_logs_one_object_a_line(body: str, code: int, severity: str, message: str) -> None:
    found, lines = logged(body, **POD)
    assert found == code
    assert objects(lines) == [{"severity": severity, "message": message}]


def test_a_traceback_and_a_warning_are_one_object_each() -> None:
    code, lines = logged("warnings.warn('old'); raise RuntimeError('wrong')", **POD)
    assert code == 1
    warning, fault = objects(lines)
    assert (warning["severity"], fault["severity"]) == ("WARNING", "CRITICAL")
    assert "old" in warning["message"]
    assert fault["message"].startswith("stopped by a fault of this project\nTraceback")
    assert fault["message"].endswith("RuntimeError: wrong")


def test_format_can_be_chosen() -> None:
    body = "logging.getLogger('a').info('read')"
    assert objects(logged(body, LOG_FORMAT="json")[1]) == [{"severity": "INFO", "message": "read"}]
    for environment in ({}, {**POD, "LOG_FORMAT": "text"}):
        [line] = logged(body, **environment)[1]
        assert line.endswith(" read")
        assert not line.startswith("{")
    assert logged(body, LOG_FORMAT="xml") == (2, ["-c: LOG_FORMAT=xml: expected json or text"])


def test_the_whole_log_of_a_run_is_objects_with_steps(dataset: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "jobs.train", *arguments(dataset, tmp_path)],
        env=os.environ | {"LOG_FORMAT": "json", "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
        check=True,
    )
    native = re.compile("[IWE]0000 |WARNING: All log messages before absl")  # lines of TensorFlow's C++ code
    values = objects([line for line in done.stderr.splitlines() if not native.match(line)])
    assert {value["severity"] for value in values} == {"INFO"}
    steps = [value["step"] for value in values if "step" in value]
    assert steps == sorted(steps)
    assert steps[-1] == max(steps) > 0
