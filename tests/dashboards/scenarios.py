"""Scenarios for promtool: series minute by minute, and which alerts fire when; in minutes, or faster."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

GROUPS = ["chat-monitor-recordings", "chat-monitor-slo-recordings", "chat-monitor-targets", "chat-monitor-health"]
BY_HAND = {"ChatStreamTargetDown", "ChatStreamTruncations", "ChatStreamTimeToFirstChunkSlow", "ChatMonitorAbsent"}
"""Alerts with scenarios in the rules' own test file, which a user can run with promtool alone."""
RULES = Path(__file__).parents[2] / "dashboards" / "rules" / "chat-monitor.rules.yml"
GRAFANA = "https://grafana.example.com/d"


@dataclass(frozen=True)
class Firing:
    """One expected alert: its labels in addition to the severity, and its two sentences."""

    labels: Mapping[str, str]
    summary: str
    description: str
    severity: str = "warning"


@dataclass(frozen=True)
class Scenario:
    """The input of an alert's test: series by name, and which alerts fire at each minute; `shows` names the cases."""

    alert: str
    shows: str
    series: Mapping[str, str]
    checks: Mapping[int, tuple[Firing, ...]]
    step: int = 1
    """Minutes between two samples."""
    stays: bool = True
    """Whether its targets exist all the time, and are not paused unless the scenario says so."""
    fits: bool = True
    """Whether it is as true when every duration is scaled: not where days or seconds are meant as such."""
    severity: str | None = None
    """Which of the alert's rules it is about, where there are several and it is not about all."""


def path(*parts: tuple[int, float], start: float = 0.0) -> str:
    """A series that begins at `start` and then, for so many steps each, rises by so much a step."""
    texts, now = [f"{start:g}"], start
    for steps, rise in parts:
        if steps:
            texts.append(f"{now + rise:.10g}+{rise:.10g}x{steps - 1}")
            now += steps * rise
    return " ".join(texts)


def late(steps: int, values: str) -> str:
    """A series that does not exist for so many steps."""
    return f"_x{steps} {values}"


def flat(value: float, steps: int) -> str:
    """A gauge that stays."""
    return f"{value:.15g}x{steps}"


def written(scenario: Scenario, rules: Path, minute: str = "m", fit: Callable[[str], str] = str) -> dict[str, Any]:
    """Return the scenario in promtool's format; `minute` is the unit of its steps, and `fit` changes its texts."""
    return {
        "rule_files": [str(rules)],
        "evaluation_interval": f"{scenario.step}{minute}",
        "group_eval_order": GROUPS,
        "tests": [
            {
                "name": f"{scenario.alert}: {scenario.shows}",
                "interval": f"{scenario.step}{minute}",
                "input_series": [{"series": name, "values": values} for name, values in all_series(scenario).items()],
                "alert_rule_test": [
                    {
                        "alertname": scenario.alert,
                        "eval_time": f"{at}{minute}",
                        "exp_alerts": [_expected(scenario.alert, one, fit) for one in firing],
                    }
                    for at, firing in scenario.checks.items()
                ],
            }
        ],
    }


def all_series(scenario: Scenario) -> dict[str, str]:
    """Return all series of the scenario, and those that say that its targets exist."""
    paused = 'chat_stream_paused{{target="{}"}}'
    targets = dict.fromkeys(re.findall(r'\btarget="([^"]*)"', " ".join(scenario.series)))
    there = {
        paused.format(target): flat(0, max(scenario.checks) // scenario.step) for target in targets if scenario.stays
    }
    return {**there, **scenario.series}


def _expected(alert: str, one: Firing, fit: Callable[[str], str]) -> dict[str, Any]:
    board = "target?var-target=" + one.labels["target"].replace(" ", "+") if "target" in one.labels else "health"
    return {
        "exp_labels": {"severity": one.severity, **one.labels},
        "exp_annotations": {
            "summary": fit(one.summary),
            "description": fit(f"{one.description} {first_step(alert, one.labels.get('target', ''))}"),
            "dashboard_url": f"{GRAFANA}/chat-monitor-{board}",
        },
    }


def first_step(alert: str, target: str = "") -> str:
    """The last sentence of an alert's description: what to do first."""
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    described = {rule["annotations"]["description"] for rule in rules if rule.get("alert") == alert}
    (step,) = {description[description.rindex("First, ") :] for description in described}
    return str(step).replace("{{ $labels.target }}", target)


def concerned(rules: str, scenario: Scenario) -> str:
    """Return the rules of a scenario and the recordings that they read, which are faster than all rules."""
    groups = yaml.safe_load(rules)["groups"]
    wanted, found = {scenario.alert}, set[str]()

    def is_wanted(rule: dict[str, Any]) -> bool:
        named = (rule.get("alert") or rule["record"]) in wanted
        return named and scenario.severity in {None, rule.get("labels", {}).get("severity", scenario.severity)}

    while wanted != found:
        found = set(wanted)
        for rule in (rule for group in groups for rule in group["rules"] if is_wanted(rule)):
            texts = " ".join([rule["expr"], *rule.get("annotations", {}).values()])
            wanted |= set(re.findall(r"\b\w+:\w+:\w+\b", texts))
    for group in groups:
        group["rules"] = [rule for rule in group["rules"] if is_wanted(rule)]
    return json.dumps({"groups": groups})


def save(scenario: Mapping[str, Any], file: Path) -> Path:
    """Write a scenario to a file; JSON is YAML."""
    file.write_text(json.dumps(scenario))
    return file
