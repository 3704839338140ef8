"""The exceptions that end a command, each with its exit code.

Exit code 2 is final: a retry cannot help, and a Kubernetes Job fails at once (podFailurePolicy). Any other exit
code but 0 is retried.
"""

import signal
from typing import ClassVar


class InputError(ValueError):
    """A mistake in the input or the configuration. The message names it, its value and what was expected."""

    exit_code: ClassVar[int] = 2


class Conflict(Exception):
    """A conditional write found another version than expected, and wrote nothing."""

    exit_code: ClassVar[int] = 1


class Stopped(BaseException):
    """SIGTERM or Ctrl-C stopped the command, and its state is saved.

    BaseException, because it may be raised inside a library that catches every Exception to go on.
    """

    exit_code: ClassVar[int] = 128 + signal.SIGTERM
