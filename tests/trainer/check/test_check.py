from preprocessing.errors import InputError
from trainer.check.check import Check, SkippedError, run_checks


def fail(error: Exception) -> str:
    raise error


def test_each_check_has_an_outcome_and_a_failed_check_does_not_stop_the_others() -> None:
    checks = [
        Check("a", lambda: "found"),
        Check("b", lambda: fail(InputError("wrong\n  value"))),
        Check("c", lambda: fail(OSError("away"))),
        Check("d", lambda: fail(RuntimeError())),
        Check("e", lambda: fail(SkippedError("no bucket"))),
    ]
    results = [(result.name, result.outcome, result.found, result.exit_code) for result in run_checks(checks)]
    assert results == [
        ("a", "ok", "found", 0),
        ("b", "failed", "wrong value", 2),
        ("c", "failed", "away", 1),
        ("d", "failed", "RuntimeError", 1),
        ("e", "skipped", "no bucket", 0),
    ]
