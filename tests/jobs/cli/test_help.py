"""`--help` of each command, and the modules that it loads."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

JOBS = Path(__file__).parents[3] / "jobs"
COMMANDS = sorted(path.stem for path in JOBS.glob("*.py") if "command.run(main)" in path.read_text())
# Each takes seconds to import, which is too long for --help.
HEAVY = {"tensorflow", "keras", "apache_beam", "sklearn", "scipy", "matplotlib", "google.cloud.storage"}
SCRIPT = """
import runpy, sys
sys.argv = ["jobs/{command}.py", "--help"]
try:
    runpy.run_module("jobs.{command}", run_name="__main__")
finally:
    print("loaded:", *[name for name in {heavy!r} if name in sys.modules])
"""


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_how_a_command_is_called_and_loads_nothing_heavy(command: str) -> None:
    script = SCRIPT.format(command=command, heavy=sorted(HEAVY))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    text, _, loaded = done.stdout.rpartition("loaded:")
    assert loaded.split() == []
    assert re.search(rf"^ *python -m jobs\.{command}( |$)", text, re.M), "no example"


def test_there_are_commands() -> None:
    assert {"preprocess", "train", "sample", "watch", "report"} <= set(COMMANDS)
