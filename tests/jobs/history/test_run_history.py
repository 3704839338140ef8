from jobs.history.run_history import LOST, OPEN, list_attempts
from trainer.runs.speed_curve import Speed
from trainer.runs.start_records import FINISHED, StartRecord

MACHINE = {"host": "a"}


def speeds(*rows: tuple[float, int]) -> tuple[Speed, ...]:
    return tuple(Speed(time, step, 1.0) for time, step in rows)


def test_attempt_has_the_facts_of_its_record_and_of_the_next_start() -> None:
    killed = StartRecord(1.0, 5, MACHINE, speeds=speeds((10.0, 9)))
    ended = StartRecord(
        20.0, 7, MACHINE, ended=40.0, ended_step=30, how=FINISHED, speeds=speeds((25.0, 20), (30.0, 25))
    )
    first, second = list_attempts([ended, killed])
    assert (first.began, first.ended, first.first_step, first.last_step, first.how) == (1.0, 10.0, 5, 9, LOST)
    assert (second.began, second.ended, second.first_step, second.last_step) == (20.0, 40.0, 7, 30)
    assert (second.how, second.machine) == (FINISHED, MACHINE)
    assert list_attempts([killed, StartRecord(20.0, 12, MACHINE)])[0].last_step == 12  # saved at least


def test_last_attempt_without_an_end_is_under_way_or_lost() -> None:
    [attempt] = list_attempts([StartRecord(50.0, 5, {})])
    assert (attempt.how, attempt.last_step, attempt.ended) == (OPEN, 5, 50.0)
    assert list_attempts([]) == []


def test_pause_is_a_long_gap_much_longer_than_the_other_gaps() -> None:
    def pauses(*times: float) -> list[tuple[float, float]]:
        [attempt] = list_attempts([StartRecord(0.0, 0, {}, speeds=speeds(*((time, 1) for time in times)))])
        return list(attempt.pauses)

    assert pauses(1.0, 2.0, 3.0, 64.0, 65.0) == [(3.0, 64.0)]
    assert pauses(1.0, 2.0, 3.0, 62.0, 63.0) == []  # not long
    assert pauses(0.0, 50.0, 100.0, 500.0, 550.0) == []  # not much longer
    assert pauses(1.0) == []
