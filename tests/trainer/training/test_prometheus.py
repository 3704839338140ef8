"""The Prometheus metrics of a run, and the PromQL queries in the documentation."""

import json
import math
import re
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.memory import Memory
from tests.support.ports import free_port
from tests.support.runs import arguments, finish, start
from tests.trainer.training.test_loop import Counted
from trainer.training.prometheus import run_metrics, serve

DOCS = Path(__file__).parents[3] / "docs"


def numbers(text: str) -> dict[str, float]:
    """Return sample name -> value. The split, if any, follows the name after a space."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {" ".join(filter(None, [one.name, one.labels.get("split")])): one.value for one in samples}


def exported(registry: CollectorRegistry) -> dict[str, float]:
    return numbers(generate_latest(registry).decode())


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture
def counted(tmp_path: Path) -> Counted:
    return Counted(Memory(), tmp_path)


def test_metrics_before_the_first_step_have_the_plan_and_no_loss(counted: Counted) -> None:
    found = exported(run_metrics(counted.loop, run="night", restarts=0))
    assert (found["trainer_step"], found["trainer_steps"], found["trainer_characters_total"]) == (0, 6, 0)
    assert (found["trainer_checkpoint_step"], found["trainer_goodput_ratio"]) == (0, 0)
    assert not [name for name in found if "loss" in name]


def test_metrics_have_the_numbers_of_the_loop(counted: Counted) -> None:
    registry = run_metrics(counted.loop, run="night", restarts=2)
    counted.run()
    found = exported(registry)
    assert (found["trainer_step"], found["trainer_epochs"], found["trainer_restarts"]) == (6, 2, 2)
    assert found["trainer_characters_total"] == 60
    assert found["trainer_checkpoint_step"] == 6
    assert found["trainer_loss_bits_per_character train"] == pytest.approx((1 / 5 + 1 / 6) / 2 / math.log(2), rel=0.2)
    assert found["trainer_loss_bits_per_character validation"] == pytest.approx(2 / 6 / math.log(2))
    assert 0 < found["trainer_goodput_ratio"] <= 1
    assert found["trainer_checkpoint_seconds"] > 0
    assert 0 <= found["trainer_checkpoint_age_seconds"] < 60


def test_characters_count_from_the_start_of_the_process(counted: Counted, tmp_path: Path) -> None:
    counted.run()
    later = Counted(counted.store, tmp_path)
    found = exported(run_metrics(later.loop, run="night", restarts=1))
    assert (found["trainer_step"], found["trainer_characters_total"], found["trainer_checkpoint_step"]) == (6, 0, 6)


def test_worker_that_saves_nothing_has_no_metrics_of_checkpoints(counted: Counted) -> None:
    chief, other = (
        exported(run_metrics(counted.loop, run="night", restarts=0, saves=saves)) for saves in (True, False)
    )
    assert {name for name in chief if name not in other} == {
        f"trainer_checkpoint_{what}" for what in ("step", "age_seconds", "seconds")
    }


def test_endpoint_has_metrics_and_health_and_nothing_else(counted: Counted) -> None:
    well = [True]
    registry = run_metrics(counted.loop, run="night", restarts=0)
    with serve(registry, lambda: (well[0], "step 1 of 6"), port=0) as port:
        code, text = get(port, "/metrics")
        assert code == 200
        assert 'trainer_steps{run="night"} 6.0' in text.splitlines()
        assert get(port, "/healthz") == (200, "step 1 of 6\n")
        well[0] = False
        assert get(port, "/healthz") == (503, "step 1 of 6\n")
        assert get(port, "/other")[0] == 404


def test_run_is_scraped_while_it_trains(dataset: Path, tmp_path: Path) -> None:
    port = free_port()
    process = start(arguments(dataset, tmp_path, metrics_port=port, epochs=50))
    found: dict[str, float] = {}
    while found.get("trainer_loss_bits_per_character train") is None:
        assert process.poll() is None
        try:
            found = numbers(get(port, "/metrics")[1])
        except OSError:
            continue  # the endpoint has not started yet
    code, text = get(port, "/healthz")
    assert code == 200
    assert re.fullmatch(r"step \d+ of \d+, last sign of progress \d+\.\d s ago\n", text)
    process.terminate()
    finish(process, code=143)
    assert found["trainer_step"] >= 7
    assert found["trainer_restarts"] == 0


def test_port_that_is_taken_costs_the_metrics_and_not_the_run(dataset: Path, tmp_path: Path, counted: Counted) -> None:
    with serve(run_metrics(counted.loop, run="other", restarts=0), lambda: (True, ""), port=0) as port:
        errors = finish(start(arguments(dataset, tmp_path, metrics_port=port, epochs=1)))
    assert f"metrics_port={port}: no /metrics and /healthz: " in errors
    assert (tmp_path / "small/checkpoint.json").exists()


def queries() -> Iterator[tuple[str, str]]:
    """Yield (title, query) for each query in the alerts and in the dashboard."""
    for group in yaml.safe_load((DOCS / "alerts.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for panel in json.loads((DOCS / "dashboard.json").read_text())["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"].replace("$run", ".*")


def selectors(node: Any) -> Iterator[promql_parser.VectorSelector]:
    """Return the vector selectors in a parsed query."""
    found: list[promql_parser.VectorSelector] = []

    def visit(one: Any) -> bool:
        if isinstance(one, promql_parser.VectorSelector):
            found.append(one)
        return True

    promql_parser.walk(node, visit)
    return iter(found)


@pytest.mark.parametrize(("place", "query"), list(queries()), ids=lambda value: value[:30])
def test_queries_of_alerts_and_dashboard_ask_for_exported_metrics(place: str, query: str, counted: Counted) -> None:
    registry = run_metrics(counted.loop, run="night", restarts=0)
    counted.run()
    known = {sample.name: set(sample.labels) for family in registry.collect() for sample in family.samples}
    asked = list(selectors(promql_parser.parse(query)))
    assert asked, place
    for selector in asked:
        assert selector.name in known
        assert {matcher.name for matcher in selector.matchers.matchers} <= known[selector.name]


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_health_is_served_on_ipv4_and_ipv6(host: str) -> None:
    if ":" in host and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with serve(CollectorRegistry(), lambda: (True, "well"), port=0) as port:
        assert urllib.request.urlopen(f"http://{host}:{port}/healthz").read() == b"well\n"
