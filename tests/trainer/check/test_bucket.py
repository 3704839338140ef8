"""Checks of a bucket, each with a bucket that breaks it."""

import re
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from preprocessing.errors import InputError
from preprocessing.storage.bucket import Bucket, ObjectStat, Version
from preprocessing.storage.urls import open_bucket
from tests.support.memory import Memory, no_answer
from trainer.check.bucket import bucket_checks
from trainer.check.check import Result, run_checks


def results(bucket: Bucket) -> dict[str, Result]:
    return {result.name: result for result in run_checks(bucket_checks(lambda: bucket))}


class Clocked(Memory):
    """A bucket in memory with a clock."""

    def stat(self, name: str) -> ObjectStat:
        return replace(super().stat(name), written_seconds=time.time())


class Unconditional(Clocked):
    """A bucket that ignores the condition of a write."""

    def write(self, name: str, data: bytes, *, if_version: Version | None = None) -> Version:  # noqa: ARG002
        return super().write(name, data)


class Flipping(Clocked):
    """A bucket whose reads have a wrong bit."""

    def read_versioned(self, name: str) -> tuple[bytes, Version]:
        data, version = super().read_versioned(name)
        return bytes([data[0] ^ 1]) + data[1:], version


class Forgetting(Clocked):
    """A bucket whose lists are out of date."""

    def names(self, prefix: str = "", *, recursive: bool = True) -> list[str]:
        return super().names(prefix, recursive=recursive)[1:]


class Late(Clocked):
    """A bucket whose clock is an hour behind."""

    def stat(self, name: str) -> ObjectStat:
        return replace(super().stat(name), written_seconds=time.time() - 3600)


class Keeping(Clocked):
    """A bucket that deletes nothing."""

    def delete(self, name: str) -> None:
        pass


class Away(Clocked):
    """A bucket that does not answer."""

    def __init__(self) -> None:
        super().__init__(before=no_answer)


def test_bucket_in_order_passes_and_is_left_as_it_was() -> None:
    bucket = Clocked()
    found = results(bucket)
    assert {result.outcome for result in found.values()} == {"ok"}
    assert bucket.names() == []
    assert "MB/s" in found["bucket: write"].found


@pytest.mark.parametrize(
    ("broken", "check", "code", "message"),
    [
        (Unconditional, "bucket: conditional write", 2, "two pods could overwrite"),
        (Flipping, "bucket: read", 1, "not the bytes written"),
        (Forgetting, "bucket: list", 2, "lists are out of date"),
        (Late, "bucket: clock", 1, "clock is +3600 s off"),
        (Keeping, "bucket: delete", 2, "cannot be deleted"),
        (Away, "bucket: write", 1, "no answer"),
    ],
)
def test_each_fault_fails_its_check(broken: Callable[[], Bucket], check: str, code: int, message: str) -> None:
    result = results(broken())[check]
    assert (result.outcome, result.exit_code) == ("failed", code)
    assert message in result.found


def test_after_a_failed_write_nothing_more_is_asked_of_the_store() -> None:
    requests = []

    def count(verb: str, name: str) -> None:
        requests.append(verb)
        no_answer(verb, name)

    found = results(Memory(before=count))
    assert [(result.name, result.outcome) for result in found.values()] == [
        ("bucket: open", "ok"),
        ("bucket: write", "failed"),
        ("bucket: other checks", "skipped"),
    ]
    assert requests == ["write"]
    assert re.fullmatch("nothing could be written; check-[0-9a-f]+/large may be left there", skipped(found))


def skipped(found: dict[str, Result]) -> str:
    return found["bucket: other checks"].found


def test_bucket_that_cannot_be_opened_is_a_result() -> None:
    [result] = run_checks(bucket_checks(lambda: open_bucket("ftp://reviews")))
    assert (result.name, result.outcome, result.exit_code) == ("bucket: open", "failed", 2)


def test_list_without_the_permission_to_write_twice_is_compared_with_what_was_written() -> None:
    class Once(Clocked):
        """A bucket that refuses conditional writes."""

        def write(self, name: str, data: bytes, *, if_version: Version | None = None) -> Version:
            if if_version is not None:
                raise InputError("no permission")
            return super().write(name, data)

    found = results(Once())
    assert found["bucket: conditional write"].outcome == "failed"
    assert found["bucket: delete"].outcome == "ok"


def test_checks_that_are_stopped_leave_nothing() -> None:
    bucket = Clocked()
    checks = bucket_checks(lambda: bucket)
    for _ in range(3):
        next(checks).run()
    assert bucket.names()
    checks.close()
    assert bucket.names() == []
