from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from deploy.grafana.dashboard import dashboard
from limner.service.access import KeyStore
from limner.service.database import open_database

from .conftest import DEPLOY, draw, needs_prometheus, prometheus

FOLDER = DEPLOY / "prometheus"
CONFIGURATION = (FOLDER / "prometheus.yml").read_text("utf-8")
ALERTS = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text("utf-8"))["groups"]
    for rule in group["rules"]
]


def expressions() -> list[str]:
    """What the panels and the alerts ask, with Grafana's variables filled in."""
    panels = [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", [])]
    filled = [each.replace("$instance", ".+").replace("$__rate_interval", "1m") for each in panels]
    return [*filled, *(rule["expr"] for rule in ALERTS)]


def metrics_in(expression: str) -> set[str]:
    """The metrics that an expression names."""
    return set(re.findall(r"\b(?:limner_|process_)\w+|\bup\b", expression))


def pointed_at(service: str, authorization: str = "") -> str:
    """The committed configuration, for a service elsewhere and in a hurry."""
    changed = CONFIGURATION.replace("127.0.0.1:8400", service.removeprefix("http://")).replace("15s", "1s")
    assert changed.count("1s") == 2
    return changed + authorization


@pytest.mark.parametrize(
    "checked",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
    ],
    ids=lambda words: " ".join(words),
)
@needs_prometheus
def test_promtool_agrees(checked: tuple[str, ...]) -> None:
    promtool = shutil.which("promtool")
    assert promtool
    found = subprocess.run([promtool, *checked], cwd=FOLDER, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stdout + found.stderr


def test_every_alert_has_a_test_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    tests = yaml.safe_load((FOLDER / "alerts_test.yml").read_text("utf-8"))["tests"]
    told = [
        (case["alertname"], bool(case.get("exp_alerts")))
        for test in tests
        for case in test["alert_rule_test"]
    ]
    names = {rule["alert"] for rule in ALERTS}
    assert {name for name, fires in told if fires} == names == {name for name, fires in told if not fires}


@needs_prometheus
def test_every_expression_is_answered_from_what_a_service_tells(service: str, tmp_path: Path) -> None:
    with (
        httpx.Client(base_url=service, timeout=60) as http,
        prometheus(tmp_path, pointed_at(service)) as asked,
    ):
        asked.until("limner_build_info")
        ends = [draw(http, seed=seed, n=2) for seed in (1, 1, 13)]
        assert ends == ["succeeded", "succeeded", "failed"]
        http.get("/v1/jobs/none")
        asked.until('limner_jobs_ended_total{end="failed"}')
        # A rate needs two readings of what has happened since.
        draw(http, seed=40)
        asked.until("rate(limner_pictures_total[1m]) > 0")
        names = set(asked.http.get("/api/v1/label/__name__/values").json()["data"])
        for expression in expressions():
            asked.query(expression)
            missing = metrics_in(expression) - names
            assert not missing, f"{expression} names {missing}, which the service does not tell"
        for target in _targets():
            asked.until(target)
        rules = asked.http.get("/api/v1/rules").json()["data"]["groups"][0]["rules"]
        assert {rule["name"]: rule["lastError"] for rule in rules if rule.get("lastError")} == {}
        assert len(rules) == len(ALERTS)


def _targets() -> list[str]:
    return [each for each in expressions() if each not in {rule["expr"] for rule in ALERTS}]


@needs_prometheus
def test_prometheus_reads_a_service_with_keys_by_an_admins(service: str, tmp_path: Path) -> None:
    assert httpx.get(f"{service}/healthz").status_code == 200
    keys = KeyStore(open_database(tmp_path / "data" / "limner.db"))
    _, secret = keys.create("prometheus", ["admin"])
    assert httpx.get(f"{service}/metrics").status_code == 401
    (tmp_path / "secret").write_text(secret, encoding="utf-8")
    named = re.sub(r"prometheus\.key", str(tmp_path / "secret"), _uncommented(pointed_at(service)))
    with prometheus(tmp_path, named) as asked:
        (up,) = asked.until('up{job="limner"} == 1')
        assert up["metric"]["job"] == "limner"


def _uncommented(text: str) -> str:
    """The configuration with what its last comment says put in force."""
    changed = text.replace("# authorization:", "authorization:").replace(
        "#   credentials_file", "  credentials_file"
    )
    configuration: dict[str, Any] = yaml.safe_load(changed)
    assert "authorization" in configuration["scrape_configs"][0]
    return changed
