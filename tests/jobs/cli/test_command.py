"""A command's arguments and exit code."""

import re
import subprocess
import sys
from typing import Annotated

import pytest
from pydantic import Field

from jobs.cli.command import checked, parser
from preprocessing.errors import InputError


def ended(body: str, *, pipe: str = "") -> tuple[int, str, list[str]]:
    """Return exit code, output and the lines on standard error of a command with this body."""
    script = f"from jobs.cli import command\ndef main():\n    {body}\ncommand.run(main)"
    done = subprocess.run(
        ["bash", "-c", f'"$0" -c "$1" {pipe}; exit ${{PIPESTATUS[0]}}', sys.executable, script],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr.splitlines()


@pytest.mark.parametrize(
    ("body", "code", "last"),
    [
        ("print('done')", 0, None),
        ("from preprocessing.errors import InputError; raise InputError('a\\nb')", 2, "-c: a b"),
        ("from preprocessing.errors import Stopped; raise Stopped", 143, "stopped, as asked"),
        (
            "from preprocessing.errors import Conflict; raise Conflict('x')",
            1,
            "another process was first, nothing of its work was changed: x",
        ),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", 143, "stopped, as asked"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGINT)", 143, "stopped, as asked"),
        (
            "raise OSError(28, 'No space left on device')",
            1,
            "stopped by a fault of the machine or the network: [Errno 28] No space left on device",
        ),
    ],
)
def test_a_command_ends_with_its_exit_code_and_one_line(body: str, code: int, last: str | None) -> None:
    found, _, lines = ended(body)
    assert found == code
    assert len(lines) == (last is not None)
    assert last is None or lines[0].endswith(last)


def test_a_mistyped_argument_names_the_nearest() -> None:
    arguments = parser("What it does.")
    arguments.add_argument("--count", type=int)
    for typed, hint in (("--cuont=3", "did you mean --count?"), ("--xyz", "see --help"), ("--count=x", "see --help")):
        with pytest.raises(InputError, match=re.escape(f"({hint})")):
            arguments.parse_args([typed])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0", "argument --count: 0: expected greater than 0 (see --help)"),
        ("9", "argument --count: 9: expected less than 9 (see --help)"),
        ("1.5", "argument --count: 1.5: expected a valid integer, unable to parse string as an integer (see --help)"),
    ],
)
def test_an_argument_out_of_range_is_named_with_value_and_expectation(text: str, message: str) -> None:
    arguments = parser("")
    arguments.add_argument("--count", type=checked(Annotated[int, Field(gt=0, lt=9)]))
    assert arguments.parse_args(["--count", "8"]).count == 8
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        arguments.parse_args(["--count", text])


def test_a_programming_error_prints_a_traceback() -> None:
    code, _, lines = ended("1 / 0")
    assert code == 1
    assert lines[0].startswith("Traceback")


def test_a_closed_pipe_prints_no_error() -> None:
    _, out, lines = ended("[print('x' * 1000) for _ in range(10_000)]", pipe="| head -c 3")
    assert (out, lines) == ("xxx", [])


def test_a_closed_standard_input_reads_as_empty() -> None:
    assert ended("import sys; print(sys.stdin.buffer.read(), sys.stdin.isatty())", pipe="<&-") == (0, "b'' False\n", [])
