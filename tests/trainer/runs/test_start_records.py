"""The record that each start of a run leaves, for every kind of ending."""

import json
import logging
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from preprocessing.errors import InputError, Stopped
from preprocessing.storage.urls import open_bucket
from tests.support.memory import Memory
from trainer.runs.start_records import (
    EVICTED,
    FAILED,
    FINISHED,
    STALLED,
    STOPPED,
    StartRecord,
    StartRecorder,
    list_machine_changes,
    log_machine_change,
    read_last_start,
    read_start_records,
)

MACHINE = {"host": "a", "CPU": "b"}


def record(store: Memory) -> StartRecord:
    [found] = read_start_records(store).values()
    assert found
    return found


@pytest.mark.parametrize(
    ("ending", "signal", "how", "why"),
    [
        (None, "", FINISHED, ""),
        (Stopped(), "SIGTERM", EVICTED, "SIGTERM"),
        (Stopped(), "SIGINT", STOPPED, "SIGINT"),
        (Stopped(), "", STOPPED, ""),  # another worker received the signal
        (OSError("no\nroom"), "", FAILED, "OSError: no room"),
    ],
)
def test_start_record_has_the_first_step_and_the_end(
    ending: BaseException | None, signal: str, how: str, why: str
) -> None:
    store, steps = Memory(), iter([7])

    def work() -> None:
        begun = record(store)
        assert (begun.step, begun.machine, begun.ended, begun.how) == (3, MACHINE, None, None)
        if ending:
            raise ending

    start = StartRecorder(store, step=3, machine=MACHINE)
    with (
        pytest.raises(type(ending)) if ending else nullcontext(),
        start.recording(lambda: next(steps), stop_signal=lambda: signal),
    ):
        work()
    ended = record(store)
    assert (ended.step, ended.ended_step, ended.how, ended.why) == (3, 7, how, why)
    assert ended.ended is not None
    assert ended.ended >= ended.began


def test_stall_is_recorded_before_the_process_exits() -> None:
    store = Memory()
    start = StartRecorder(store, step=3, machine=MACHINE)
    with start.recording(lambda: 9, stop_signal=str):
        start.record_stall()
        assert (record(store).how, record(store).ended_step) == (STALLED, 9)
    assert record(store).how == FINISHED  # the run continued after the stall


def test_process_that_hangs_leaves_a_record_of_the_stall(tmp_path: Path) -> None:
    script = f"""
import threading
from preprocessing.storage.urls import open_bucket
from trainer.runtime.watchdog import run_watchdog
from trainer.runs.start_records import StartRecorder

own = StartRecorder(open_bucket({str(tmp_path)!r}), step=3, machine={{}})
with run_watchdog(5) as alive, own.recording(lambda: 8, stop_signal=str):
    alive.call_before_exit(own.record_stall)
    threading.Event().wait()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr.splitlines()[0]) == (1, "Timeout (0:00:05)!")
    [found] = read_start_records(open_bucket(str(tmp_path))).values()
    assert found
    assert (found.how, found.step, found.ended_step) == (STALLED, 3, 8)


@pytest.mark.parametrize("fault", [OSError("down"), InputError("no permission")])
def test_store_that_refuses_a_record_costs_a_log_line(fault: Exception, caplog: pytest.LogCaptureFixture) -> None:
    def down(verb: str, _: str) -> None:
        if verb == "write":
            raise fault

    done = []
    with caplog.at_level(logging.WARNING):
        start = StartRecorder(Memory(down), step=0, machine={})
        with start.recording(lambda: 1, stop_signal=str):
            done.append(1)
    assert done
    assert [line.getMessage() for line in caplog.records] == [f"this start's record is not written: {fault}"] * 2


def test_records_are_in_order_and_a_damaged_record_is_none() -> None:
    store = Memory()
    whole = json.dumps({"began": 1.5, "step": 2, "machine": {}})
    for name, data in (("2", whole), ("1", whole), ("3", "{"), ("4", "[]"), ("5", whole.replace("1.5", '"x"'))):
        store.write(f"starts/{name}.json", data.encode())
    record = StartRecord(1.5, 2, {})
    assert read_start_records(store) == {"1": record, "2": record, "3": None, "4": None, "5": None}
    assert read_last_start(store) is None


def test_speeds_are_written_with_each_write_and_at_the_end() -> None:
    store = Memory()
    start = StartRecorder(store, step=3, machine=MACHINE)
    with start.recording(lambda: 9, stop_signal=str):
        start.add_speed(step=6, chars_per_second=100.25)
        assert record(store).speeds == ()
        start.write()
        [speed] = record(store).speeds
        assert (speed.step, speed.chars_per_second, record(store).how) == (6, 100.2, None)
        assert record(store).began - 1 < speed.time < record(store).began + 60
        start.add_speed(step=9, chars_per_second=50.0)
    assert [speed.step for speed in record(store).speeds] == [6, 9]
    assert read_last_start(store) == record(store)


def test_run_without_starts_has_no_last_start() -> None:
    assert read_last_start(Memory()) is None


def test_run_that_continues_on_another_gpu_says_that_bits_may_differ(caplog: pytest.LogCaptureFixture) -> None:
    store = Memory()
    first = MACHINE | {"GPUs": "1 x NVIDIA L4", "GPU driver": "550.90"}
    StartRecorder(store, step=0, machine=first).write()
    with caplog.at_level(logging.INFO):
        log_machine_change(store, first | {"host": "another"}, step=7)
        assert not caplog.messages
        log_machine_change(store, first | {"GPUs": "1 x Tesla T4"}, step=7)
    assert caplog.messages == ["the bits of this run may differ from step 7 on: GPUs: 1 x NVIDIA L4 -> 1 x Tesla T4"]


def test_fact_that_an_earlier_version_did_not_record_is_a_change() -> None:
    assert list_machine_changes({"CPU": "b"}, {"CPU": "b", "host": "c"}) == []
    assert list_machine_changes({"CPU": "b"}, {"CPU": "b", "replicas": "2"}) == ["replicas: none -> 2"]
    assert list_machine_changes({"CPU": "b"}, {"CPU": "c"}) == ["CPU: b -> c"]
