import json
import socket
from collections.abc import Mapping

import pytest

from preprocessing.errors import InputError, Stopped
from tests.support.ports import free_port
from trainer.runtime.workers import ALONE, Workers, read_workers, wait_for_all

INDEXED = {"WORKERS": "3", "JOB_COMPLETION_INDEX": "1", "PEERS": "train-{index}.train:2222"}


def tf_config(cluster: object, kind: str = "worker", index: object = 0) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}


def test_indexed_job_s_environment_names_all_workers_and_this_one() -> None:
    found = read_workers(INDEXED)
    assert found == Workers(("train-0.train:2222", "train-1.train:2222", "train-2.train:2222"), 1)
    assert (found.count, found.chief) == (3, False)
    assert json.loads(found.tf_config()) == {
        "cluster": {"worker": ["train-0.train:2222", "train-1.train:2222", "train-2.train:2222"]},
        "task": {"type": "worker", "index": 1},
    }


def test_tf_config_comes_first_and_its_chief_is_worker_0() -> None:
    two = {"chief": ["a:1"], "worker": ["b:2"]}
    assert read_workers(INDEXED | tf_config(two, "chief")) == Workers(("a:1", "b:2"), 0)
    assert read_workers(tf_config(two, "worker", 0)) == Workers(("a:1", "b:2"), 1)
    assert read_workers(tf_config({"worker": ["a:1", "[::1]:2"]}, index="1")) == Workers(("a:1", "[::1]:2"), 1)


@pytest.mark.parametrize(
    "environment",
    [{}, {"TF_CONFIG": ""}, {"JOB_COMPLETION_INDEX": "3"}, {"WORKERS": "1"}, tf_config({"worker": ["a:1"]})],
)
def test_without_others_a_worker_is_alone(environment: Mapping[str, str]) -> None:
    assert read_workers(environment) == ALONE
    assert (ALONE.count, ALONE.chief) == (1, True)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (INDEXED | {"WORKERS": "two"}, "WORKERS=two: expected a whole number from 1"),
        (INDEXED | {"WORKERS": "0"}, "WORKERS=0: expected a whole number from 1"),
        ({"WORKERS": "2", "PEERS": "x{index}:1"}, "JOB_COMPLETION_INDEX=: expected a whole number from 0"),
        (INDEXED | {"JOB_COMPLETION_INDEX": "3"}, "worker 3: expected a number from 0 to 2, of 3 workers"),
        (INDEXED | {"PEERS": "train:2222"}, "PEERS=train:2222: expected HOST:PORT with {index} in it"),
        (INDEXED | {"PEERS": "train-{index}"}, "worker 'train-0': expected HOST:PORT"),
        (INDEXED | {"PEERS": "train-{index}:70000"}, "worker 'train-0:70000': expected HOST:PORT"),
        ({"TF_CONFIG": "{"}, "TF_CONFIG: expected .* JSONDecodeError"),
        ({"TF_CONFIG": "[]"}, "TF_CONFIG: expected .* TypeError"),
        (tf_config({"worker": ["a:1", "b:1"]}, "ps"), "TF_CONFIG: expected .* KeyError 'ps'"),
        (tf_config({"worker": ["a:1", "b:1"]}, index=2), "TF_CONFIG: expected .* no worker 2"),
        (tf_config({"worker": ["a:1", "a:1"]}), "workers a:1, a:1: expected a different HOST:PORT for each"),
    ],
)
def test_wrong_environment_is_refused_with_the_variable(environment: Mapping[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_workers(environment)


def test_worker_waits_for_a_name_and_a_port_and_says_who_is_missing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    absent = f"127.0.0.1:{free_port()}"
    hosts = (f"127.0.0.1:{free_port()}", absent, "no-such-name.invalid:2222")
    with pytest.raises(TimeoutError, match=f"no answer from {absent}, no-such-name.invalid:2222 in 1 s"):
        wait_for_all(Workers(hosts), lambda: False, limit_seconds=1, line_seconds=0)
    assert f"waiting for {absent}, no-such-name.invalid:2222" in caplog.text


def test_worker_waits_for_the_other_and_can_be_found_meanwhile() -> None:
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


def test_worker_that_waits_can_be_stopped() -> None:
    with pytest.raises(Stopped):
        wait_for_all(Workers((f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}")), lambda: True)
