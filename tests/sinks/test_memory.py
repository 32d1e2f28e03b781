"""The memory sink: newest first, bounded, with the counts of the truncation ratio."""

from __future__ import annotations

from dataclasses import replace
from sys import getsizeof
from typing import Any

import pytest

from monitor.record.from_observation import event_of
from monitor.record.observation import Observation
from monitor.record.parts import Suspect, Suspicion
from monitor.record.rollup import Rollup, merged, rollup_of
from monitor.sinks import history_rollups
from monitor.sinks.memory import RecentProbe, RecentProbes
from monitor.stream.endings import EndKind
from monitor.stream.events import Output
from tests.sinks.samples import GATEWAY, cut, line, observed, refused, stopped, whole


def observations(recent: RecentProbes) -> list[Observation]:
    """Return what is kept of the gateway."""
    return [probe.observation for probe in recent.of("gateway") if probe.observation]


def test_the_newest_come_first() -> None:
    """Each target has its own; one that was never probed has none."""
    recent = RecentProbes(2)
    first, second = whole(probe_id="1"), cut(probe_id="2")
    other = whole(replace(GATEWAY, name="other"), probe_id="3")
    for one in (first, second, other):
        recent(one)
    assert [one.brief.probe_id for one in recent.of("gateway")] == ["2", "1"]
    assert [one.brief.probe_id for one in recent.of("other")] == ["3"]
    assert recent.of("nobody") == ()


def test_a_probe_is_found_by_its_id() -> None:
    """A stored probe is found by its id."""
    recent = RecentProbes(1)
    recent(whole(probe_id="1"))
    found = recent.find("1")
    assert found
    assert found.brief.probe_id == "1"
    assert recent.find("2") is None


def test_room_is_shared_again() -> None:
    """When targets come, of each the newest stay; when they go, there is room again."""
    recent = RecentProbes(1)
    for number in range(60):
        recent(whole(probe_id=str(number)))
    recent.share(2)
    assert len(recent.of("gateway")) == 50
    recent.share(400)
    assert [one.brief.probe_id for one in recent.of("gateway")] == [str(number) for number in range(59, 49, -1)]
    recent.share(1)
    recent(whole(probe_id="60"))
    assert len(recent.of("gateway")) == 11


@pytest.mark.parametrize(("targets", "kept"), [(0, 50), (1, 50), (100, 40), (5000, 5)])
def test_memory_is_bounded(targets: int, kept: int) -> None:
    """The more targets there are, the fewer probes of each are kept, and never fewer than five."""
    recent = RecentProbes(targets)
    for number in range(60):
        recent(whole(probe_id=str(number)))
    assert [one.brief.probe_id for one in recent.of("gateway")] == [str(59 - number) for number in range(kept)]
    assert recent.memory("gateway").counts.probes == 60


def test_large_streams_have_a_bound_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of large streams fewer are kept, up to the target's share of bytes, and always the newest."""
    one = replace(whole().recording, text="").weight + 4096 + getsizeof(None)
    monkeypatch.setattr("monitor.sinks.memory.KEPT_BYTES", 8 * one)
    monkeypatch.setattr("monitor.sinks.memory.KEPT_BYTES_PER_TARGET", one)
    recent = RecentProbes(2)
    for number in range(9):
        recent(whole(probe_id=str(number)))
    assert [one.brief.probe_id for one in recent.of("gateway")] == ["8", "7", "6", "5"]
    recent.share(100)
    assert [one.brief.probe_id for one in recent.of("gateway")] == ["8"]
    recent(whole(probe_id="9"))
    assert [one.brief.probe_id for one in recent.of("gateway")] == ["9"]


def test_what_is_counted() -> None:
    """Integers and outcomes are those of the events; distributions are left out."""
    recent, observed = RecentProbes(1), (whole(), cut(), refused(), whole(trigger="api"), stopped())
    for one in observed:
        recent(one)
    counts, recount = recent.memory("gateway").counts, merged(rollup_of(event_of(one)) for one in observed)
    assert (counts.probes, counts.accepted, counts.truncated) == (3, 2, 1)
    for name in (*history_rollups.NUMBERS, "outcomes"):
        if name != "first_chunk_us":
            assert getattr(counts, name) == getattr(recount, name), name
    assert recent.memory("nobody").counts == Rollup()


@pytest.mark.parametrize(
    "one", [stopped(), stopped(EndKind.INTERNAL), cut(trigger="cli"), whole(trigger="confirm"), cut(trigger="api")]
)
def test_what_is_kept_and_not_counted(one: object) -> None:
    """Unscheduled probes and those that the monitor ended count in no ratio."""
    recent = RecentProbes(1)
    recent(one)  # type: ignore[arg-type] # an observation, as the parameters show
    assert len(recent.of("gateway")) == 1
    counts = recent.memory("gateway").counts
    assert (counts.probes, counts.outcomes) == (0, {})


def test_a_target_that_is_no_longer_probed_is_forgotten() -> None:
    """A removed target loses its probes and counts; an unknown one is ignored."""
    recent = RecentProbes(1)
    recent(whole())
    recent.forget("gateway")
    recent.forget("gateway")
    assert recent.of("gateway") == ()
    assert recent.memory("gateway").counts == Rollup()


def endless(**more: Any) -> Observation:  # noqa: ANN401 - fields of Observation
    """Return a stream of 20,000 large outputs."""
    return observed(line(*[(number / 100, Output("x" * 200)) for number in range(20_000)]), **more)


def test_the_newest_of_a_target_is_bounded_as_well() -> None:
    """Whatever a server sent: timeline, text and last words fit the share, and the figures are those of all of it."""
    recent = RecentProbes(4096)
    recent(endless(last_words="\U0001f4a5" * 60_000))
    (kept,) = observations(recent)
    assert kept.last_words
    assert kept.recording.weight + getsizeof(kept.last_words) < 32 * 1024
    assert (kept.recording.chunks, kept.recording.reads) == (20_000, 20_000)
    assert len(kept.recording.arrivals) < 1000


def test_the_share_of_a_target_holds_when_more_targets_come() -> None:
    """Probes are thinned if the share of a target becomes smaller."""
    recent = RecentProbes(1)
    for number in range(3):
        recent(endless(probe_id=str(number)))
    assert [one.recording.whole for one in observations(recent)] == [None, None, None]
    recent.share(4096)
    (kept,) = observations(recent)
    assert (kept.probe_id, kept.recording.weight < 32 * 1024, kept.recording.reads) == ("2", True, 20_000)


def test_an_event_is_made_once_and_says_who_is_suspected_by_now() -> None:
    """The event of a probe is kept; who is suspected of it can change, and its timeline is made if it is needed."""
    probe = RecentProbe.observed(cut(probe_id="1"))
    assert probe.event is probe.event
    assert probe.full_event.timeline
    probe.suspicions = (Suspicion(Suspect.RESTART, "it restarted"),)
    assert probe.event.diagnosis == probe.full_event.diagnosis == probe.suspicions
    probe.suspicions = ()
    assert not probe.event.diagnosis


def test_what_the_history_kept_is_restored() -> None:
    """Events read from the history make the same state and strip as the observations did; nothing is counted."""
    before, after = RecentProbes(1), RecentProbes(1)
    for number, one in enumerate((whole(), cut(), refused())):
        before(replace(one, probe_id=str(number)))
    after.restore([GATEWAY], {"gateway": [probe.event for probe in before.of("gateway")], "gone": []})
    assert [probe.brief for probe in after.of("gateway")] == [probe.brief for probe in before.of("gateway")]
    was, now = before.memory("gateway"), after.memory("gateway")
    assert (now.state, now.failing_since) == (was.state, was.failing_since)
    assert (now.available, now.in_time, len(now.samples)) == (was.available, was.in_time, 3)
    assert now.counts == Rollup()
    restored = after.of("gateway")[0]
    assert (restored.weight, restored.full_event) == (0, restored.event)
    after.share(1)
    after.share(400)
    assert after.each == 10
    assert [probe.event for probe in after.of("gateway")] == [probe.event for probe in before.of("gateway")]


def test_the_state_that_the_history_kept_is_restored() -> None:
    """The restored state may be older than the stored events."""
    before, after = RecentProbes(1), RecentProbes(1)
    before(cut(probe_id="0"))
    after.restore([GATEWAY], {}, {"gateway": before.memory("gateway").state})
    assert not after.of("gateway")
    assert after.memory("gateway").failing_since == before.memory("gateway").failing_since is not None


def test_a_failure_is_over_after_recovery() -> None:
    """Since when it fails is the first failure's time until the target is up again."""
    recent = RecentProbes(1)
    for number, one in enumerate((cut(), cut(), whole())):
        recent(replace(one, probe_id=str(number)))
        since = recent.memory("gateway").failing_since
        assert (since is None) is (number == 2)


def test_the_samples_are_the_newest_fifty() -> None:
    """Ratios of recent probes forget what is older than that."""
    recent = RecentProbes(1)
    for number in range(70):
        recent(whole(probe_id=str(number)) if number > 30 else cut(probe_id=str(number)))
    memory = recent.memory("gateway")
    assert (len(memory.samples), memory.available) == (50, 39)
