"""A process with a step that hangs, under the watchdog."""

import subprocess
import sys
import threading

from trainer.runtime.watchdog import run_watchdog


def ended(seconds: float, step: str, stalled: str = "None") -> subprocess.CompletedProcess[str]:
    """Run a process of three steps under a watchdog of `seconds` seconds."""
    script = f"""
import threading
from trainer.runtime.watchdog import run_watchdog

def step():
    {step}

with run_watchdog({seconds}) as alive:
    if {stalled}:
        alive.call_before_exit({stalled})
    for _ in range(3):
        step()
        alive.reset()
threading.Event().wait({2 * seconds})
"""
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)


def test_step_that_hangs_ends_the_process_with_1_and_each_thread_s_stack() -> None:
    hanging = "threading.Thread(target=threading.Event().wait, daemon=True).start(); threading.Event().wait()"
    done = ended(0.5, hanging)
    assert done.returncode == 1
    assert done.stderr.startswith("Timeout (0:00:00.500000)!")
    assert done.stderr.count("most recent call first") == 2
    assert " in step\n" in done.stderr


def test_steps_in_time_do_not_end_the_process() -> None:
    done = ended(0.5, "pass")
    assert (done.returncode, done.stderr) == (0, "")


def test_callback_is_called_before_the_exit_and_not_without_one() -> None:
    say = 'lambda: print("stalled", flush=True)'
    done = ended(1, "threading.Event().wait()", say)
    assert (done.returncode, done.stdout) == (1, "stalled\n")
    done = ended(1, "pass", say)
    assert (done.returncode, done.stdout) == (0, "")


def test_watchdog_without_limit_does_nothing() -> None:
    with run_watchdog(0) as alive:
        alive.reset()
        alive.call_before_exit(lambda: None)
        assert not [thread for thread in threading.enumerate() if thread.name == "stall"]


def test_process_without_progress_for_half_of_the_limit_is_unhealthy() -> None:
    script = """
import time
from trainer.runtime.watchdog import run_watchdog
with run_watchdog(2) as watch, run_watchdog(0) as blind:
    regular = [watch.healthy]
    time.sleep(1.1)
    regular += [watch.healthy, blind.healthy, watch.quiet_seconds > 1]
    watch.reset()
    print(*regular, watch.healthy)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["True", "False", "True", "True", "True"]
