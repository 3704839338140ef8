from jobs.history.events import Speed, Start
from jobs.history.run_history import LOST, OPEN, UNKNOWN, list_attempts
from trainer.runs.start_records import FINISHED, Record

MACHINE = {"host": "a"}


def start(*rows: tuple[float, int], began: float) -> Start:
    return Start(began, rows[-1][0], tuple(Speed(time, step, 1.0) for time, step in rows), whole=True)


def test_record_and_events_of_one_start_are_one_attempt() -> None:
    records = {"x": Record(1.0, 5, MACHINE), "y": Record(20.0, 7, MACHINE, ended=40.0, ended_step=30, how=FINISHED)}
    events = {"t/e.1.x": start((10.0, 9), began=2.0), "t/e.1.y": start((30.0, 20), began=21.0)}
    first, second = list_attempts(records, events)
    assert (first.began, first.ended, first.first_step, first.last_step, first.how) == (1.0, 10.0, 5, 9, LOST)
    assert (second.began, second.ended, second.first_step, second.last_step) == (20.0, 40.0, 7, 30)
    assert list_attempts({**records, "y": Record(20.0, 12, MACHINE)}, events)[0].last_step == 12  # saved at least
    assert (second.how, second.machine) == (FINISHED, MACHINE)


def test_record_without_events_and_events_without_record_are_attempts() -> None:
    events = {"t/events.v2": start((10.0, 9), (12.0, 12), began=2.0)}
    first, second = list_attempts({"x": Record(50.0, 5, {})}, events)
    assert (first.how, first.first_step, first.last_step, first.ended) == (UNKNOWN, 9, 12, 12.0)
    assert (second.how, second.last_step, second.ended) == (OPEN, 5, 50.0)


def test_pause_is_a_long_gap_much_longer_than_the_other_gaps() -> None:
    def pauses(*times: float) -> tuple[tuple[float, float], ...]:
        [attempt] = list_attempts({}, {"e": start(*((time, 1) for time in times), began=0.0)})
        return attempt.pauses

    assert pauses(1.0, 2.0, 3.0, 64.0, 65.0) == ((3.0, 64.0),)
    assert pauses(1.0, 2.0, 3.0, 62.0, 63.0) == ()  # not long
    assert pauses(0.0, 50.0, 100.0, 500.0, 550.0) == ()  # not much longer
    assert pauses(1.0) == ()
