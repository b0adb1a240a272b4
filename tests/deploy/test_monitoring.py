"""The dashboard and the alerts: every query answered by a real Prometheus that asks the real server."""

from __future__ import annotations

import json
import math
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from assistant.observability.metrics import FAMILIES
from tests.deploy.prometheus import DEPLOY, Prometheus
from tests.system.client import Client
from tests.system.server import ROOT, Server
from tests.tools import program

DASHBOARD = json.loads((ROOT / "deploy/grafana/dashboards/assistant.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [(f"{panel['title']} {target['refId']}", target["expr"]) for panel in PANELS for target in panel["targets"]]
RULES = yaml.safe_load((DEPLOY / "rules.yml").read_text())["groups"][0]["rules"]
TESTS = ROOT / "tests/deploy/rules_test.yml"
TOKEN = "the-token-of-prometheus-in-these-tests"
# How long the server is kept busy until every query has an answer; seconds.
BUSY = 60.0


# --- what can be told without a server -------------------------------------------------------------------------
def test_every_metric_is_on_the_dashboard_and_no_other() -> None:
    shown = {name for _, query in QUERIES for name in metrics(query)}

    assert shown == {f"assistant_{name}" for name in FAMILIES}


def test_alerts_ask_for_metrics_that_there_are() -> None:
    assert {name for rule in RULES for name in metrics(rule["expr"])} <= {f"assistant_{name}" for name in FAMILIES}


def test_the_panels_do_not_lie_on_each_other() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert x < 24
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_every_alert_is_shown_to_fire_and_to_be_silent_and_has_its_runbook() -> None:
    shown: dict[str, set[bool]] = {}
    for case in yaml.safe_load(TESTS.read_text())["tests"]:
        for one in case["alert_rule_test"]:
            shown.setdefault(one["alertname"], set()).add(bool(one["exp_alerts"]))
    runbook = (ROOT / "docs/production/runbook.md").read_text()

    assert shown == {rule["alert"]: {True, False} for rule in RULES}
    assert re.findall(r"^## (Assistant\w+)$", runbook, re.M) == [rule["alert"] for rule in RULES]
    assert all(rule["labels"]["severity"] in ("critical", "warning") for rule in RULES)


def test_alerts_fire_when_they_should() -> None:
    done = subprocess.run(
        [program("promtool", "prometheus"), "test", "rules", str(TESTS)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_its_files() -> None:
    promtool = program("promtool", "prometheus")
    config = [promtool, "check", "config", "--syntax-only", str(DEPLOY / "prometheus.yml")]

    for command in (config, [promtool, "check", "rules", str(DEPLOY / "rules.yml")]):
        assert subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0


def test_grafana_finds_what_it_is_given() -> None:
    grafana = ROOT / "deploy/grafana/provisioning"
    (source,) = yaml.safe_load((grafana / "datasources/prometheus.yaml").read_text())["datasources"]
    (provider,) = yaml.safe_load((grafana / "dashboards/assistant.yaml").read_text())["providers"]
    mounts = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]["grafana"]["volumes"]

    assert source["url"] == "http://prometheus:9090"
    assert any(mount.startswith(f"./grafana/dashboards:{provider['options']['path']}:") for mount in mounts)


# --- with one --------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Prometheus]]:
    settings = {"rates": "chat=100000/minute,slow=100000/minute", "retention": 1, "metrics_token": TOKEN}
    folder = tmp_path_factory.mktemp("prometheus")
    with (
        Server(folder, "tests.deploy.app:app", **settings) as server,
        Prometheus(folder, server.port, TOKEN) as prometheus,
    ):
        yield server, prometheus


@pytest.mark.system
def test_every_query_is_answered(watched: tuple[Server, Prometheus]) -> None:
    """A day of a server in a few seconds: answers, failures, cancels, reconnects, refusals, and what seldom happens."""
    server, prometheus = watched
    silent, until = dict(QUERIES), time.monotonic() + BUSY
    while silent and time.monotonic() < until:
        live(server)
        silent = {name: query for name, query in silent.items() if not answered(prometheus, query)}

    assert silent == {}


@pytest.mark.system
def test_prometheus_evaluates_every_rule(watched: tuple[Server, Prometheus]) -> None:
    _, prometheus = watched
    until = time.monotonic() + BUSY

    while True:
        rules = prometheus.get("rules")["groups"][0]["rules"]
        up = prometheus.values('up{job="assistant"}')
        if (up and all(rule["health"] != "unknown" for rule in rules)) or time.monotonic() > until:
            break
        time.sleep(0.2)

    assert [(rule["name"], rule["health"]) for rule in rules] == [(rule["alert"], "ok") for rule in RULES]
    assert up == [1]


def answered(prometheus: Prometheus, query: str) -> bool:
    """Whether a query has a number for an answer; one that is wrong fails."""
    values = prometheus.values(query.replace("$__rate_interval", "30s"))
    return any(math.isfinite(value) for value in values)


def live(server: Server) -> None:
    client = Client(server.base)
    for prompt in ("Hello", "please fail"):
        client.read(client.submit(prompt, "chat"))
    slow = client.submit("Hello", "slow", context={"pauses": [0, 0.2, 5]})
    client.follow(slow, leave=lambda answer: any(one.event == "response_chunk" for one in answer.messages))
    follow(client, slow, "9-9")
    client.cancel(slow)
    client.read(slow)
    whole = client.submit("Hello", "slow", context={"pauses": [0, 0]})
    client.read(whole)
    follow(client, whole, "1-2")
    client.post("Hello", "no-such-mode")
    requests.post(f"{server.base}/shake", timeout=10)


def follow(client: Client, request_id: str, cursor: str) -> None:
    """A viewer that comes with this cursor and leaves after the first event."""
    connection, response = client.connect(request_id, cursor)
    response.read1(1000)
    connection.close()


def metrics(query: str) -> set[str]:
    """The metrics that a query asks for."""
    found: set[Any] = set(re.findall(r"\bassistant_[a-z_]+", query))
    return {re.sub(r"_(bucket|count|sum)$", "", name) for name in found}


def test_the_page_shows_a_job_that_prometheus_takes(tmp_path: Path) -> None:
    (sample,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/production/monitoring.md").read_text(), re.S)
    (tmp_path / "prometheus.yml").write_text(sample)
    command = [program("promtool", "prometheus"), "check", "config", "--syntax-only", str(tmp_path / "prometheus.yml")]

    assert subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0
