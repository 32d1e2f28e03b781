"""The alert rules: valid, tested, explained, and built on metrics that exist."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.dashboards.names import METRICS, metrics_in

ROOT = Path(__file__).parents[2]
RULES = ROOT / "dashboards" / "rules" / "chat-monitor.rules.yml"
TESTS = RULES.with_suffix(".test.yml")
RUNBOOKS = ROOT / "docs" / "runbooks"
PAGES = "https://github.com/chat-monitor/chat-monitor/blob/main/"


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


def test_the_unit_tests_of_the_rules_pass(promtool: str) -> None:
    """Each alert fires, does not fire just below, and resolves, as the rules' own tests say."""
    assert_success([promtool, "test", "rules", TESTS.name])


def test_every_alert_is_seen_firing_and_not_firing_in_the_unit_tests() -> None:
    """An alert without a unit test that sees it fire, and one that does not, is no tested alert."""
    seen = {
        (case["alertname"], bool(case["exp_alerts"]))
        for test in yaml.safe_load(TESTS.read_text())["tests"]
        for case in test["alert_rule_test"]
    }
    assert seen == {(alert["alert"], fires) for alert in every_alert() for fires in (True, False)}


def test_every_alert_has_its_severity_and_says_what_is_wrong() -> None:
    """Whoever is paged gets a severity to route by, a summary, a description and two places to go."""
    for alert in every_alert():
        assert alert["labels"]["severity"] in {"critical", "warning", "info"}
        assert set(alert["annotations"]) == {"summary", "description", "runbook_url", "dashboard_url"}


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    """The runbook's address is the alert's name under docs/runbooks, and the file is there."""
    for alert in every_alert():
        assert alert["annotations"]["runbook_url"] == f"{PAGES}docs/runbooks/{alert['alert']}.md"
    pages = {page.stem for page in RUNBOOKS.glob("*.md")} - {"README"}
    assert pages == {alert["alert"] for alert in every_alert()}


def test_every_dashboard_address_names_a_board_that_is_shipped() -> None:
    """The address in an alert leads to the uid of a board of this repository."""
    shipped = {json.loads(board.read_text())["uid"] for board in RULES.parents[1].glob("*.json")}
    linked = {re.findall(r"/d/([\w-]+)", alert["annotations"]["dashboard_url"])[0] for alert in every_alert()}
    assert linked <= shipped


def test_every_link_of_the_runbooks_resolves() -> None:
    """A link from a runbook to a file of this repository leads to one that exists."""
    for page in RUNBOOKS.glob("*.md"):
        for link in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_rules_use_only_metrics_that_exist() -> None:
    """Every metric of every expression is one of the contract's, Prometheus' own `up`, or recorded by these rules."""
    recorded = {rule["record"] for rule in every_rule() if "record" in rule}
    for rule in every_rule():
        assert metrics_in(rule["expr"]) <= METRICS | recorded | {"up"}, rule


def test_the_questions_that_annotations_ask_use_only_metrics_that_exist() -> None:
    """A description that asks Prometheus for a number asks for one that is exported."""
    for alert in every_alert():
        for question in re.findall(r'printf "((?:[^"\\]|\\.)+)"', alert["annotations"]["description"]):
            assert metrics_in(question.replace('\\"', '"').replace("%q", '""')) <= METRICS, alert["alert"]


def assert_success(command: list[str]) -> None:
    """Run a command where the rules lie; what it says is the message where it fails."""
    done = subprocess.run(command, cwd=RULES.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
