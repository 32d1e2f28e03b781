"""One fault seen by replicas and locations, in real Prometheus and Alertmanager: one page or one ticket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.alerts.drills import LOOSE, Drill, critical, warning
from tests.alerts.faults import Faults
from tests.alerts.stack import Monitor
from tests.alerts.stage import PATIENCE, Act, Stage, stage, target_of

pytestmark = [pytest.mark.real, pytest.mark.timeout(PATIENCE + 180)]

PLACES = "[monitor]\nlocation = '{}'\nlocations = ['eu', 'us']\n"
SHARED = {**LOOSE, "interval": "'2s'", "replicas": "2"}


def _places(directory: Path, faults: Faults, port: int) -> tuple[list[Monitor], list[Act]]:
    """Two shards here and one there, of which each target has two replicas: one is down everywhere, one from here."""
    agreed = Drill("agreed", "status:code=500", (), config=SHARED)
    here = Drill("from-here", "status:code=500", (), config=SHARED)
    there = target_of(here, port).replace("until-mended?name=from-here&of=status:code=500", "ok?gap=5ms")
    monitors = [
        Monitor(
            f"{place}-{number}",
            directory,
            PLACES.format(place) + target_of(agreed, port) + (target_of(here, port) if place == "eu" else there),
            options=("--shard", f"{number}/{count}"),
            location=place,
        )
        for place, number, count in (("eu", 1, 2), ("eu", 2, 2), ("us", 1, 1))
    ]
    return monitors, [
        Act("agreed", (critical("ChatStreamTargetDown"),), lambda: faults.mended.add("agreed")),
        Act("from-here", (warning("ChatStreamOneLocation"),), lambda: faults.mended.add("from-here")),
    ]


def _lonely(directory: Path, port: int) -> tuple[list[Monitor], list[Act]]:
    """The first of two shards, without the second, until it is the only one."""
    text = "".join(target_of(Drill(f"lonely-{number}", "ok:gap=5ms", ()), port) for number in range(4))
    monitor = Monitor("lonely", directory, text, options=("--shard", "1/2"), location="lonely")

    def mend() -> None:
        monitor.stop()
        monitor.options = ()
        monitor.start()

    return [monitor], [Act("lonely", (critical("ChatMonitorShardMissing"),), mend)]


def cast(directory: Path, faults: Faults, _: ExitStack) -> tuple[list[Monitor], list[Act]]:
    """All monitors, and what is wrong with each."""
    port = faults.open()
    placed, expected = _places(directory, faults, port)
    lonely, missing = _lonely(directory, port)
    return [*placed, *lonely], [*expected, *missing]


@pytest.fixture(scope="module")
def quorum(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The whole play: two shards here, one there, and one that lacks its second."""
    with stage(tmp_path_factory.mktemp("quorum"), cast) as set_up:
        set_up.play()
        yield set_up


def test_each_fault_reaches_the_webhook_and_is_resolved(quorum: Stage) -> None:
    """The page, the ticket and the missing shard are sent, and resolved once mended."""
    expected = {key for act in quorum.acts for key in act.expected}
    assert expected <= quorum.firing.keys()
    assert expected <= quorum.resolved.keys()


def test_a_fault_that_replicas_and_locations_see_is_one_page(quorum: Stage) -> None:
    """Two replicas here and one there find a target down: one alert is sent, of no location, and it began once."""
    page = ("ChatStreamTargetDown", "critical", "agreed")
    assert [location for location, _ in quorum.sent[page]] == [""]
    assert ("ChatStreamOneLocation", "warning", "agreed") not in quorum.sent
    assert quorum.firing[page]["receiver"] == "on-call"
    assert "Seen from eu us. First, " in quorum.firing[page]["annotations"]["description"]


def test_a_fault_that_one_location_sees_is_a_ticket_that_names_it(quorum: Stage) -> None:
    """If both replicas of one location see a fault, the only alert is a ticket with the location."""
    about = {key for key in quorum.sent if key[2] == "from-here" and key[0] != "ChatStreamProbesSkipped"}
    assert about == {("ChatStreamOneLocation", "warning", "from-here")}
    assert [location for location, _ in quorum.sent[about.pop()]] == ["eu"]
