"""The alert rules: valid, tested, explained, and built on metrics that exist."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.settings import CUT_AFTER_BUCKETS
from monitor.sinks.metrics.families import CUTS
from tests.dashboards.names import METRICS, metrics_in
from tests.dashboards.scenarios import BY_HAND, first_step

ROOT = Path(__file__).parents[2]
RULES = ROOT / "dashboards" / "rules" / "chat-monitor.rules.yml"
TESTS = RULES.with_suffix(".test.yml")
RUNBOOKS = ROOT / "docs" / "runbooks"
ALERTMANAGER = RULES.parents[1] / "alertmanager.yml"


def every_rule() -> list[dict[str, Any]]:
    """All rules of all groups."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def every_alert() -> list[dict[str, Any]]:
    """The rules that alert."""
    return [rule for rule in every_rule() if "alert" in rule]


def test_promtool_accepts_the_rules_with_every_lint_fatal(promtool: str) -> None:
    """The rules parse, and no lint of promtool has anything to say."""
    command = [promtool, "check", "rules", "--lint=all", "--lint-fatal", RULES.name]
    assert_success(command)


@pytest.mark.timeout(300)
def test_the_unit_tests_of_the_rules_pass(promtool: str) -> None:
    """Each alert fires, does not fire just below, and resolves, as the rules' own tests say."""
    assert_success([promtool, "test", "rules", TESTS.name])


def test_the_rules_own_unit_tests_see_each_of_their_alerts_firing_and_not() -> None:
    """The rules' own test file covers these alerts; test_alerts.py has the scenarios of all others."""
    tested = {
        (case["alertname"], bool(case["exp_alerts"]))
        for test in yaml.safe_load(TESTS.read_text())["tests"]
        for case in test["alert_rule_test"]
    }
    assert tested == {(alert, fires) for alert in BY_HAND for fires in (True, False)}


def test_vmalert_accepts_the_rules(vmalert: str) -> None:
    """VictoriaMetrics' dry run parses them; a weak proof, for it lets misspelt functions pass."""
    assert_success([vmalert, "-dryRun", f"-rule={RULES}"])


def test_the_kinds_of_cuts_share_all_causes_among_them() -> None:
    """Every cause of a cut belongs to exactly one kind."""
    kinds: dict[str, set[str]] = {}
    for rule in every_rule():
        if rule.get("record") == "target_kind:chat_stream_truncated:increase1h":
            kinds[rule["labels"]["kind"]] = set(re.findall(r'cause=~"([^"]+)"', rule["expr"])[0].split("|"))
    causes = [cause for words in kinds.values() for cause in words]
    assert sorted(causes) == sorted({cause for _, cause in CUTS})
    assert set(kinds) == {"wire", "end", "error", "stall"}


def test_the_ages_of_cuts_are_pairs_of_the_default_buckets() -> None:
    """The bounds of the ages are neighbouring default buckets, as otherwise they would count something else."""
    bounds = [str(bound) for bound in CUT_AFTER_BUCKETS]
    ages = [rule for rule in every_rule() if rule.get("record") == "target_kind:chat_stream_cuts_at_age:increase6h"]
    assert len(ages) == 7
    for rule in ages:
        upper, lower = re.findall(r'le="([^"]+)"', rule["expr"])
        assert bounds.index(upper) == bounds.index(lower) + 1
        assert float(lower) < float(rule["labels"]["kind"]) < float(upper)


def test_the_alertmanager_example_is_accepted(amtool: str) -> None:
    """Routes, inhibitions and receivers parse."""
    assert_success([amtool, "check-config", str(ALERTMANAGER)])


@pytest.mark.parametrize(
    ("alert", "severity", "receiver"),
    [
        ("ChatStreamTargetDown", "critical", "on-call"),
        ("ChatMonitorAbsent", "critical", "on-call"),
        ("ChatMonitorSinkErrors", "warning", "monitoring"),
        ("ChatStreamAuthFailing", "warning", "monitoring"),
        ("ChatStreamProbesStale", "warning", "monitoring"),
        ("ChatStreamStalls", "warning", "day"),
        ("ChatStreamBuffered", "info", "day"),
        ("SomethingElse", "critical", "day"),
    ],
)
def test_an_alert_is_routed_to_whom_it_concerns(amtool: str, alert: str, severity: str, receiver: str) -> None:
    """Pages go to the person on call, alerts on the monitor to its operator, all others to the daily queue."""
    labels = [f"alertname={alert}", f"severity={severity}"]
    assert_success(
        [amtool, "config", "routes", "test", f"--config.file={ALERTMANAGER}", f"--verify.receivers={receiver}", *labels]
    )


def test_the_alertmanager_example_names_only_alerts_that_exist() -> None:
    """A pattern that matches no alert inhibits or routes nothing."""
    names = {alert["alert"] for alert in every_alert()}
    patterns = re.findall(r'alertname(?:=~|!=|=)"([^"]+)"', ALERTMANAGER.read_text())
    assert patterns
    for part in (part for pattern in patterns for part in alternatives(pattern)):
        assert any(re.fullmatch(part, name) for name in names), part


def alternatives(pattern: str) -> list[str]:
    """Return each alternative of a pattern, with the text before its group."""
    grouped = re.fullmatch(r"(?:([^|()]+)\|)?(\w*)\(([^)]+)\)(\.\+)?", pattern)
    if grouped is None:
        return pattern.split("|")
    first = [grouped[1]] if grouped[1] else []
    return first + [f"{grouped[2]}{word}{grouped[4] or ''}" for word in grouped[3].split("|")]


def test_no_ticket_inhibits_what_another_location_sees() -> None:
    """An alert of one location does not inhibit that of another; a page inhibits those of all."""
    rules = yaml.safe_load(ALERTMANAGER.read_text())["inhibit_rules"]
    assert rules
    for rule in rules:
        assert "job" in rule["equal"], rule
        assert "location" in rule["equal"] or 'severity="critical"' in rule["source_matchers"], rule


def test_every_alert_has_its_severity_and_says_what_is_wrong() -> None:
    """Each alert has a severity, a summary, and a description that ends with what to do first."""
    for alert in every_alert():
        assert alert["labels"]["severity"] in {"critical", "warning", "info"}
        assert set(alert["annotations"]) == {"summary", "description", "dashboard_url"}
        assert re.fullmatch(r"First, [^.]+(?:\.|: .+\.)", first_step(alert["alert"])), alert["alert"]


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    """The runbook's file has the alert's name, which is what `export rules --runbooks` links to."""
    pages = {page.stem for page in RUNBOOKS.glob("*.md")} - {"README"}
    assert pages == {alert["alert"] for alert in every_alert()}


def test_every_dashboard_address_names_a_board_that_is_shipped() -> None:
    """The address in an alert leads to the uid of a board of this repository."""
    shipped = {json.loads(board.read_text())["uid"] for board in RULES.parents[1].glob("*.json")}
    linked = {re.findall(r"/d/([\w-]+)", alert["annotations"]["dashboard_url"])[0] for alert in every_alert()}
    assert linked <= shipped


def test_every_runbook_answers_the_same_five_questions() -> None:
    """Each runbook has the same sections in the same order, and is in the list."""
    listed = (RUNBOOKS / "README.md").read_text()
    for alert in {alert["alert"] for alert in every_alert()}:
        sections = re.findall(r"^## (.+)$", (RUNBOOKS / f"{alert}.md").read_text(), re.MULTILINE)
        assert sections == ["What it means", "How to see it", "Likely causes, in order", "What to do", "What it is not"]
        assert f"]({alert}.md)" in listed, alert


def test_every_link_of_the_runbooks_resolves() -> None:
    """A link from a runbook to a file of this repository leads to one that exists."""
    texts = {page: page.read_text() for page in RUNBOOKS.glob("*.md")}
    links = [(page, link) for page, text in texts.items() for link in re.findall(r"\]\((?!https?://|#)([^)#]+)", text)]
    assert len(links) > len(texts)
    assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []


def test_the_rules_use_only_metrics_that_exist() -> None:
    """Every metric of an expression is one of the contract's, `up` or `ALERTS` of Prometheus, or recorded by a rule."""
    recorded = {rule["record"] for rule in every_rule() if "record" in rule}
    for rule in every_rule():
        assert metrics_in(rule["expr"]) <= METRICS | recorded | {"up", "ALERTS"}, rule


def test_the_questions_that_annotations_ask_use_only_metrics_that_exist() -> None:
    """A description that asks Prometheus for a number asks for one that is exported or recorded."""
    recorded = {rule["record"] for rule in every_rule() if "record" in rule}
    questions = [
        (alert["alert"], question)
        for alert in every_alert()
        for question in re.findall(r'printf "((?:[^"\\]|\\.)+)"', alert["annotations"]["description"])
    ]
    assert questions
    for alert, question in questions:
        asked = metrics_in(re.sub(r"%(\[\d\])?q", '""', question.replace('\\"', '"')))
        assert asked <= METRICS | recorded, alert


def assert_success(command: list[str]) -> None:
    """Run a command in the directory of the rules; its output is the message of a failure."""
    done = subprocess.run(command, cwd=RULES.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
