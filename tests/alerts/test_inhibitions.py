"""The inhibition rules of the Alertmanager example in a real Alertmanager: which alerts are inhibited by which."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from urllib.request import Request, urlopen

import pytest

from monitor.cli.assets import ExportRequest, export
from tests.alerts.stack import alertmanager, asked, until

Labels = Mapping[str, str]

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


def one(name: str, severity: str = "warning", target: str = "t", location: str = "here", **more: str) -> dict[str, str]:
    """An alert on a target, as one location sees it."""
    return {"alertname": name, "severity": severity, "job": "j", "target": target, "location": location, **more}


def page(name: str, **more: str) -> dict[str, str]:
    """A page on a target, on which two locations agree."""
    return {"alertname": name, "severity": "critical", "job": "j", "target": "t", **more}


def own(name: str, **more: str) -> dict[str, str]:
    """An alert on a monitor."""
    return {"alertname": name, "severity": "critical", "job": "j", "location": "here", "instance": "a", **more}


HELD: tuple[tuple[str, Labels, Labels], ...] = (
    ("missing", own("ChatMonitorAbsent"), own("ChatMonitorShardMissing", instance="")),
    ("agreed", page("ChatStreamTargetDown"), one("ChatStreamTimeToFirstChunkSlow")),
    ("agreed, alone", page("ChatStreamTruncations"), one("ChatStreamOneLocation")),
    ("from one place", one("ChatStreamOneLocation"), one("ChatStreamTruncations")),
    ("cut", one("ChatStreamTruncations", "critical"), one("ChatStreamTargetDown", "critical")),
    ("down and slow", one("ChatStreamTargetDown", "critical"), one("ChatStreamTimeToFirstChunkSlow")),
    ("down and dear", one("ChatStreamTargetDown", "critical"), one("ChatStreamErrorBudgetBurn", "critical", slo="s")),
    ("kind while down", one("ChatStreamTargetDown", "critical"), one("ChatStreamWireCuts", kind="wire")),
    ("key while down", one("ChatStreamTargetDown", "critical"), one("ChatStreamAuthFailing")),
    ("cut, as a ticket", one("ChatStreamTargetDown"), one("ChatStreamTruncations")),
    ("burning", one("ChatStreamErrorBudgetBurn", "critical", slo="availability"), one("ChatStreamWrongContent")),
    (
        "burning late",
        one("ChatStreamErrorBudgetBurn", "critical", slo="first_chunk"),
        one("ChatStreamTimeToFirstChunkSlow"),
    ),
    ("long", one("ChatStreamLongGaps"), one("ChatStreamProbesSkipped")),
    ("of a kind", one("ChatStreamStalls", kind="stall"), one("ChatStreamTruncations")),
    ("of one age", one("ChatStreamCutsAtOneAge"), one("ChatStreamWireCuts", kind="wire")),
    (
        "fast and slow",
        one("ChatStreamErrorBudgetBurn", "critical", slo="s"),
        one("ChatStreamErrorBudgetBurn", slo="s"),
    ),
    ("soon", one("ChatStreamCertificateExpiry", "critical"), one("ChatStreamCertificateExpiry")),
    (
        "late anyway",
        one("ChatStreamTimeToFirstChunkSlow"),
        one("ChatStreamTimeToFirstChunkRegression", "info"),
    ),
)
"""What is going on, the alert that says more, and the one that it makes needless."""

TOLD: tuple[tuple[str, Labels, Labels], ...] = (
    *(
        (f"{what}, elsewhere", source, {**held, "location": "there"})
        for what, source, held in HELD
        if source["severity"] != "critical" or "target" not in source
    ),
    *((f"{what}, another fleet", source, {**held, "job": "k"}) for what, source, held in HELD),
    *((f"{what}, another", source, {**held, "target": "u"}) for what, source, held in HELD if "target" in source),
    ("cut off", own("ChatMonitorIsolated"), one("ChatStreamTargetDown", "critical")),
    ("own trouble", own("ChatMonitorIsolated"), own("ChatMonitorAbsent")),
    ("late and wrong", one("ChatStreamErrorBudgetBurn", "critical", slo="first_chunk"), one("ChatStreamWrongContent")),
    (
        "two objectives",
        one("ChatStreamErrorBudgetBurn", "critical", slo="a"),
        one("ChatStreamErrorBudgetBurn", slo="b"),
    ),
    ("another age", one("ChatStreamCutsAtOneAge"), one("ChatStreamStalls", kind="stall")),
)
"""The same alerts of another monitor or target, and alerts unrelated to the first: these are not inhibited."""


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of an Alertmanager with the exported example config."""
    place = tmp_path_factory.mktemp("inhibitions")
    files = export("scrape-config", place, ExportRequest())
    text = next(file for file in files if "alertmanager" in file.name).read_text()
    with alertmanager(text, place) as address:
        yield address


def keyed(what: str, labels: Labels) -> dict[str, str]:
    """The alert in a world of its own: every scene's targets and instances are its own."""
    own = {"target", "instance", "job"}
    return {name: f"{value} {what}" if name in own and value else value for name, value in labels.items() if value}


def test_the_example_holds_back_what_it_should_and_nothing_of_another_monitor_or_target(manager: str) -> None:
    """Every scene at once: the needless alert is inhibited, and what only looks like it is not."""
    scenes = {what: [keyed(what, source), keyed(what, other)] for what, source, other in (*HELD, *TOLD)}
    body = json.dumps([{"labels": labels} for scene in scenes.values() for labels in scene]).encode()
    url = f"http://{manager}/api/v2/alerts"
    request = Request(url, data=body, headers={"Content-Type": "application/json"})
    with urlopen(request, timeout=10) as response:  # noqa: S310
        assert response.status == 200

    def held() -> set[frozenset[tuple[str, str]]]:
        return {frozenset(alert["labels"].items()) for alert in asked(url) if alert["status"]["inhibitedBy"]}

    expected = {frozenset(scenes[what][1].items()) for what, _, _ in HELD}
    with contextlib.suppress(TimeoutError):
        until(lambda: held() == expected, 30, "inhibitions")
    assert held() == expected
    assert len(asked(url)) == len({frozenset(labels.items()) for scene in scenes.values() for labels in scene})
