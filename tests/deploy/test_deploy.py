"""What is shipped for operators fits the server that it is shipped with, and its own programs accept it."""

import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.core import Metric

from realtime.observability.metrics import Metrics
from realtime.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana/antiphon.json").read_text())
ALERTS = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())


def samples(metric: Metric) -> Iterator[str]:
    match metric.type:
        case "counter":
            yield f"{metric.name}_total"
        case "histogram":
            yield f"{metric.name}_bucket"
        case _:
            yield metric.name


@pytest.fixture(scope="module")
def exported() -> set[str]:
    """The names of the series that the server exports."""
    metrics = Metrics(lambda: 0, 2, dict, {})
    return {name for metric in metrics.registry.collect() for name in samples(metric)} | {"up"}


def expressions() -> list[str]:
    shown = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    return shown + [rule["expr"] for group in ALERTS["groups"] for rule in group["rules"]]


def named(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:antiphon|process)_\w+|\bup\b", expression))


def test_panels_and_alerts_read_series_that_exist(exported: set[str]) -> None:
    assert {name for expression in expressions() for name in named(expression)} <= exported


def test_every_series_of_ours_is_on_the_dashboard(exported: set[str]) -> None:
    shown = {name for panel in DASHBOARD["panels"] for target in panel["targets"] for name in named(target["expr"])}
    assert {name for name in exported if name.startswith("antiphon_")} <= shown


def test_panels_have_a_title_a_description_a_place_and_the_chosen_data_source() -> None:
    places = set()
    for panel in DASHBOARD["panels"]:
        assert panel["title"]
        assert panel["description"]
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
        places.add((panel["gridPos"]["x"], panel["gridPos"]["y"]))
    assert len(places) == len(DASHBOARD["panels"])


def test_prometheus_accepts_the_configuration_the_alerts_and_every_expression(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "1m")}
        for number, expression in enumerate(expressions())
    ]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    for command in (
        ["promtool", "check", "config", str(DEPLOY / "prometheus/prometheus.yml")],
        ["promtool", "check", "rules", str(tmp_path / "panels.yml")],
    ):
        checked = subprocess.run(command, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_systemd_accepts_the_unit_and_finds_it_well_confined() -> None:
    unit = DEPLOY / "systemd/antiphon.service"
    checked = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    # The program is not installed here; it finds nothing else to complain of.
    complaints = [line for line in checked.stderr.splitlines() if "/opt/antiphon/bin/antiphon" not in line]
    assert complaints == []
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout[-200:]


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_whoever_stops_the_server_waits_until_it_has_drained() -> None:
    unit = dict(
        line.split("=", 1)
        for line in (DEPLOY / "systemd/antiphon.service").read_text().splitlines()
        if "=" in line and not line.startswith("#")
    )
    compose: dict[str, Any] = yaml.safe_load((DEPLOY / "container/compose.yaml").read_text())
    drain_s = Settings().server.drain_s
    assert seconds(unit["TimeoutStopSec"]) > drain_s
    assert seconds(compose["services"]["antiphon"]["stop_grace_period"]) > drain_s


def test_the_image_holds_what_the_wheel_is_made_of() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert set(wheel["packages"]) <= {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert "*" in ignored


@pytest.mark.parametrize("file", ["container/Dockerfile", "systemd/antiphon.service", "container/compose.yaml"])
def test_the_variables_that_are_set_are_settings(file: str) -> None:
    known = {
        f"ANTIPHON_{table.upper()}__{key.upper()}"
        for table, section in Settings().model_dump().items()
        if isinstance(section, dict)
        for key in section
    } | {"ANTIPHON_PROFILE", "ANTIPHON_CONFIG"}
    assert set(re.findall(r"ANTIPHON_[A-Z_]+", (DEPLOY / file).read_text())) <= known
