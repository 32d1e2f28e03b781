"""Every alert that a fault can cause, in real Prometheus and Alertmanager: from the fault to the webhook, and back."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.alerts.drills import DRILLS, EXPIRING, Alert, Drill, critical, info, warning
from tests.alerts.stage import PATIENCE, Stage

RULES = Path(__file__).parents[2] / "dashboards" / "rules" / "chat-monitor.rules.yml"
OWN = (
    critical("ChatMonitorAbsent"),
    critical("ChatMonitorIsolated"),
    warning("ChatMonitorReloadFailed"),
    warning("ChatMonitorDiscoveryFailing"),
    warning("ChatMonitorLoopLag"),
    warning("ChatMonitorSinkErrors"),
    warning("ChatMonitorEventsDropped"),
    warning("ChatMonitorInternalErrors"),
    info("ChatStreamTokenBudgetLow"),
    warning("ChatStreamProbesStale"),
    warning("ChatStreamProbesSkipped"),
)
ALERTS = sorted({alert for drill in (*DRILLS, *EXPIRING) for alert in drill.brings} | set(OWN), key=str)
ELSEWHERE = {critical("ChatMonitorShardMissing"), warning("ChatStreamOneLocation")}
"""Those of test_quorum.py."""
RECEIVERS = {"critical": {"on-call"}, "warning": {"day", "monitoring"}, "info": {"day", "monitoring"}}

pytestmark = [pytest.mark.real, pytest.mark.timeout(PATIENCE + 180)]


@pytest.mark.parametrize("alert", ALERTS, ids=str)
def test_a_fault_reaches_the_webhook_as_this_alert_and_its_end_as_resolved(drill: Stage, alert: Alert) -> None:
    """The JSON has the labels, whole sentences, and is sent to whom it concerns; mended, the alert is resolved."""
    wanted = {key for act in drill.acts for key in act.expected if key[:2] == (alert.name, alert.severity)}
    assert wanted
    assert wanted <= drill.firing.keys(), f"never fired: {wanted - drill.firing.keys()}"
    for key in wanted:
        sent = drill.firing[key]
        assert sent["receiver"] in RECEIVERS[alert.severity]
        assert ("instance" in sent["labels"]) == alert.name.startswith("ChatMonitor")
        text = " ".join(sent["annotations"].values())
        assert "{{" not in text
        assert "<no value>" not in text
        assert "error calling" not in text
        assert "First, " in sent["annotations"]["description"]
    assert wanted <= drill.resolved.keys(), f"never resolved: {wanted - drill.resolved.keys()}"


def test_what_another_alert_says_better_is_inhibited(drill: Stage) -> None:
    """Alertmanager held back what the drills say that it holds back."""
    quiet = {(alert.name, alert.severity, act.subject) for act in drill.acts for alert in act.quiet}
    assert quiet <= drill.suppressed, quiet - drill.suppressed


INCIDENTS = tuple(drill for drill in (*DRILLS, *EXPIRING) if drill.brings)


def test_the_drill_has_twenty_incidents_and_more() -> None:
    """The drill has at least twenty incidents with a notification."""
    assert len(INCIDENTS) >= 20


@pytest.mark.parametrize("incident", INCIDENTS, ids=lambda one: one.name)
def test_one_incident_is_one_notification(drill: Stage, incident: Drill) -> None:
    """One incident gives one notification with one alert, from its first alert to the end of its last."""
    [alert] = incident.brings
    assert drill.notifications(incident.name) == [[alert.name]]


@pytest.mark.parametrize("target", ["one-lost", "staging", "staging-cut", "tolerant"])
def test_no_notification_of_tolerated_failures(drill: Stage, target: str) -> None:
    """One lost probe, staging, and tolerated failures give no notification."""
    assert drill.notifications(target) == []


def test_a_healthy_target_raises_no_alarm(drill: Stage) -> None:
    """A healthy target has no alert, except that a busy machine skips its probes."""
    fired = {key for key in drill.firing if key[2] in {"well", "odd"}}
    assert {name for name, _, _ in fired} <= {"ChatStreamProbesSkipped"}


def test_every_alert_of_the_rules_is_in_the_drill() -> None:
    """Each rule that alerts, in each of its severities, is driven by a fault."""
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    shipped = {Alert(rule["alert"], rule["labels"]["severity"]) for rule in rules if "alert" in rule}
    assert shipped == {*ALERTS, *ELSEWHERE}
