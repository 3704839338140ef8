"""A check of a machine, a bucket or a dataset before it is needed, and its result."""

import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Literal

from preprocessing.errors import InputError


@dataclass(frozen=True)
class Check:
    """A check: `run` returns what it found, or raises.

    InputError: a retry cannot help (exit code 2). SkippedError: the check does not apply. Any other exception: a retry
    may help (exit code 1).
    """

    name: str
    run: Callable[[], str]


class SkippedError(Exception):
    """A check that does not apply here; the message says why."""


@dataclass(frozen=True)
class Result:
    """The result of a check: what was found, how long it took, and the exit code that it asks for."""

    name: str
    outcome: Literal["ok", "failed", "skipped"]
    found: str
    seconds: float
    exit_code: int = 0


def run_checks(checks: Iterable[Check]) -> Generator[Result, None, None]:
    """Run the checks in order and yield each result. A check that fails does not stop the checks after it."""
    for check in checks:
        began = time.monotonic()
        outcome, found, code = _run(check)
        yield Result(check.name, outcome, found, round(time.monotonic() - began, 3), code)


def _run(check: Check) -> tuple[Literal["ok", "failed", "skipped"], str, int]:
    try:
        return "ok", check.run(), 0
    except SkippedError as error:
        return "skipped", str(error), 0
    except InputError as error:
        return "failed", _one_line(error), InputError.exit_code
    except Exception as error:  # of any library: the report names it, and the other checks run on
        return "failed", _one_line(error), 1


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:500] or type(error).__name__
