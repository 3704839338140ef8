"""Exit codes and last messages of a run that is stopped by a signal."""

import signal
import subprocess
import sys
from collections.abc import Sequence

import pytest

SCRIPT = """
import os, signal, threading, time
from jobs.cli import command
from trainer.runtime.stop import StopFlag

def main():
    stop = StopFlag(grace_seconds={grace})
    {body}

command.run(main)
"""
FOREVER = "threading.Event().wait()"


def ended(body: Sequence[str], *, grace: float = 60, signals: Sequence[int] = (signal.SIGTERM,)) -> tuple[int, str]:
    """Run `body`, and return its exit code and its last line on stderr.

    Each time `body` prints `ready`, the next signal is sent.
    """
    script = SCRIPT.format(grace=grace, body="\n    ".join(body))
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        for number in signals:
            assert process.stdout.readline() == "ready\n"
            process.send_signal(number)
        errors = process.stderr.read()
        return process.wait(timeout=60), errors.splitlines()[-1]


READY = "print('ready', flush=True)"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_process_at_once_if_there_is_nothing_to_save(number: int) -> None:
    code, last = ended([READY, FOREVER], signals=[number])
    assert (code, last[9:]) == (143, "stopped, as asked")


def test_process_in_a_library_that_hangs_exits_after_the_grace() -> None:
    hanging = ["try:", f"    {READY}; {FOREVER}", "finally:", f"    {FOREVER}"]
    code, last = ended(hanging, grace=0.1)
    assert (code, last[9:]) == (143, "stopped, as asked")


def test_command_whose_clean_up_hangs_exits_after_the_grace() -> None:
    code, last = ended(
        [
            "from trainer.runtime.stop import stop_at_once",
            "stop_at_once(0.1)",
            *("try:", f"    {READY}; {FOREVER}", "finally:", f"    {FOREVER}"),
        ]
    )
    assert (code, last[9:]) == (143, "stopped, as asked")


def test_signal_sets_the_flag_if_there_is_something_to_save() -> None:
    body = ["stop.save_first(lambda: False)", READY, "while not stop(): time.sleep(0.01)", "raise OSError('saving')"]
    code, last = ended(body)
    assert (code, last[9:]) == (1, "stopped by a fault of the machine or the network: saving")


@pytest.mark.parametrize(
    ("saved", "code", "line"),
    [(False, 1, "stopped before all was saved"), (True, 143, "stopped, as asked")],
)
def test_exit_code_after_the_grace_is_143_only_if_all_is_saved(saved: bool, code: int, line: str) -> None:
    found, last = ended([f"stop.save_first(lambda: {saved})", READY, FOREVER], grace=0.1)
    assert found == code
    assert line in last


def test_second_sigterm_changes_nothing_and_a_second_ctrl_c_ends_it() -> None:
    body = ["stop.save_first(lambda: False)", f"while True: {READY}; time.sleep(0.05)"]
    code, last = ended(body, signals=[signal.SIGTERM, signal.SIGTERM, signal.SIGINT])
    assert code == 1
    assert "stopped before all was saved" in last
