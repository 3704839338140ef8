import socket

import pytest

from preprocessing.errors import Stopped
from tests.support.ports import free_port
from trainer.runtime.rendezvous import wait_for_all
from trainer.runtime.workers import Workers


def test_a_worker_waits_for_a_name_and_a_port_and_says_who_is_missing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    absent = f"127.0.0.1:{free_port()}"
    hosts = (f"127.0.0.1:{free_port()}", absent, "no-such-name.invalid:2222")
    with pytest.raises(TimeoutError, match=f"no answer from {absent}, no-such-name.invalid:2222 in 1 s"):
        wait_for_all(Workers(hosts), lambda: False, limit_seconds=1, line_seconds=0)
    assert f"waiting for {absent}, no-such-name.invalid:2222" in caplog.text


def test_a_worker_goes_on_once_the_other_has_come_and_can_be_found_meanwhile() -> None:
    mine, other = free_port(), free_port()
    later: list[socket.socket] = []

    def come() -> bool:
        socket.create_connection(("127.0.0.1", mine)).close()
        later.append(socket.create_server(("127.0.0.1", other)))
        return False

    wait_for_all(Workers((f"127.0.0.1:{mine}", f"127.0.0.1:{other}")), come)
    assert len(later) == 1
    later[0].close()
    socket.create_server(("", mine)).close()  # free again, for TensorFlow


def test_a_worker_that_waits_can_be_stopped() -> None:
    with pytest.raises(Stopped):
        wait_for_all(Workers((f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}")), lambda: True)
