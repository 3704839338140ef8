"""A program that works only in its turns, so that several programs can be measured in turn on one machine.

Each contender is a separate process, perhaps with other packages. A turn is one JSON line to the contender, and one
JSON line back. This module imports the standard library only, because every contender imports this module.
"""

import json
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any


def serve(turn: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Answer each JSON line of standard input. The contender calls this. Adds the peak memory in MB to each answer."""
    print("{}", flush=True)  # ready
    for line in sys.stdin:
        answer = turn(json.loads(line))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
        print(json.dumps(answer | {"peak_mb": peak}), flush=True)


class Contender:
    """A module that runs in a process of an interpreter. Ready after the constructor."""

    def __init__(self, python: str, module: str, arguments: Sequence[str] = ()) -> None:
        self.name = module.rpartition(".")[2]
        self._process = subprocess.Popen(
            [python, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._answer()

    def turn(self, **request: Any) -> dict[str, Any]:
        """Send one request and return its answer. Raises ChildProcessError if the process has ended."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        while line and not line.startswith("{"):  # output of a library
            line = self._process.stdout.readline()
        if not line:
            raise ChildProcessError(f"{self.name} ended with {self._process.wait()}: {self._process.args!r}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> "Contender":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
