"""config/monitoring: the alert rules and the dashboard name metrics that zvirka exports."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from zvirka.domain import Cause, OutcomeState, RunStatus
from zvirka.service.metrics import Metrics

MONITORING = Path(__file__).parents[3] / "config" / "monitoring"
RULES = MONITORING / "zvirka.rules.yml"
DASHBOARD = MONITORING / "grafana-dashboard.json"


def exported(registry: CollectorRegistry) -> dict[str, str]:
    """Names and explanations of the metrics."""
    return {family.name: family.documentation for family in registry.collect()}


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def queries() -> list[str]:
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def test_every_metric_named_is_exported_and_every_exported_one_is_shown() -> None:
    known = exported(Metrics().registry)
    used = [rule["expr"] for rule in rules()] + queries()
    named = {name for expression in used for name in re.findall(r"zvirka_\w+", expression)}
    assert named <= set(known)
    times_only = {
        "zvirka_last_run_start_timestamp_seconds",
        "zvirka_last_run_end_timestamp_seconds",
    }
    assert set(known) - named == times_only


def test_label_values_in_rules_are_words_of_the_domain() -> None:
    words = {
        "status": {status.value for status in RunStatus},
        "outcome": {state.value for state in OutcomeState},
        "cause": {cause.value for cause in Cause},
    }
    for rule in rules():
        for label, value in re.findall(r'(\w+)="(\w+)"', rule["expr"]):
            assert value in words[label], rule["alert"]


def test_names_tell_their_unit_or_the_help_what_is_counted() -> None:
    units = ("_seconds", "_bytes", "_ratio", "_messages", "_requests", "_retries", "_runs")
    for name, text in exported(Metrics().registry).items():
        counted = ("Differences", "Corrections", "Rows", "1 for", "The run")
        assert name.endswith(units) or text.startswith(counted), name
        if name.endswith("_seconds"):
            assert "Unix time" in text or "in seconds" in text, name


def test_every_rule_says_how_bad_it_is_and_what_it_means() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))
    for rule in rules():
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert rule["annotations"]["summary"]


def test_panels_have_a_title_a_unit_and_their_own_place() -> None:
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["title"] and panel["fieldConfig"]["defaults"]["unit"] for panel in panels)
    assert all("$flow" in query for query in queries())


def test_promtool_accepts_the_rules() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    subprocess.run([promtool, "check", "rules", str(RULES)], check=True, capture_output=True)
