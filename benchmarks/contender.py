"""A program that waits for its turn, so that several can be measured in turn on one machine.

Each runs in a process of its own, with the packages of its own; what is compared is done between two lines: the
one that asks for a turn, and the JSON that answers it. The standard library alone: every contender has it.
"""

import json
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any


def serve(turn: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """The contender's side: answers each line, a JSON object, until there are no more; adds its peak memory in MB."""
    print("{}", flush=True)  # it is ready
    for line in sys.stdin:
        answer = turn(json.loads(line))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
        print(json.dumps(answer | {"peak_mb": peak}), flush=True)


class Contender:
    """The side of who measures: starts a module with an interpreter, waits until it is ready."""

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

    def turn(self, **asked: Any) -> dict[str, Any]:
        """What it answers to one turn; ChildProcessError if it has ended."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        while line and not line.startswith("{"):  # what a library prints of itself
            line = self._process.stdout.readline()
        if not line:
            raise ChildProcessError(f"{self.name} ended with {self._process.wait()}: {self._process.args!r}")
        found: dict[str, Any] = json.loads(line)
        return found

    def __enter__(self) -> "Contender":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
