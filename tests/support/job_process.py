"""A command in a separate process, forked from a server process that has imported TensorFlow.

A new interpreter spends 6 seconds on imports, a forked process 0.06 seconds. Signals, store outages and exit codes are
the same for both. The server starts with the first JobProcess of a test process.
"""

import atexit
import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tensorflow", "keras", "jobs.train", "trainer.training.train"])


class JobProcess:
    """`python -m MODULE ARGUMENTS` with the methods of subprocess.Popen that tests use.

    Both standard streams go to the file `log`, else to a temporary file that is deleted with this object.
    """

    def __init__(
        self, module: str, arguments: Sequence[str], *, environment: Mapping[str, str], log: Path | None = None
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="job-") if log is None else None
        self.log = log or Path(self._folder.name if self._folder else "", "log")
        self.log.write_bytes(b"")  # a test may look for a line before the process has started
        self._process = _CONTEXT.Process(
            target=_run, args=(module, [str(argument) for argument in arguments], str(self.log), dict(environment))
        )
        self._process.start()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        """Exit code; negative if a signal ended the process, None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return the exit code, None while the process runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code once the process has ended. Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0.0)
        return self._process.exitcode

    def output(self, timeout: float = 300) -> str:
        """Return all that the process has written once it has ended. Raises subprocess.TimeoutExpired."""
        self.wait(timeout)
        return self.log.read_text()

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


def _run(module: str, arguments: Sequence[str], log: str, environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # forget the server's TMPDIR
    with Path(log).open("ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = [f"{module.replace('.', '/')}.py", *arguments]
    from jobs.cli import command

    try:
        command.run(importlib.import_module(module).main)
    finally:
        # A forked process skips the exit handlers, by which TensorFlow deletes its temporary files.
        atexit._run_exitfuncs()
