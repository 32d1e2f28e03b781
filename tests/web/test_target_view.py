"""Tests of one target as pages and API show it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from monitor.record.observation import Observation
from monitor.record.target_summary import State
from monitor.sinks.memory import RecentProbes, TargetMemory
from monitor.target import Slo
from monitor.web.target_view import TargetView
from tests.web import samples

TARGET = samples.target()
UNSUSPECTED = replace(samples.cut(TARGET), diagnosis=())


@pytest.mark.parametrize(
    ("made", "state"),
    [
        ([], State.NOT_PROVEN),
        ([samples.aborted()], State.NOT_PROVEN),
        ([samples.complete()], State.OK),
        ([samples.unverified()], State.NOT_PROVEN),
        ([samples.cut(), samples.complete()], State.AT_RISK),
        ([samples.complete(), samples.cut(), samples.complete()], State.AT_RISK),
        ([samples.complete(first=30.0)], State.AT_RISK),
        ([samples.cut(), samples.reset()], State.DOWN),
        ([samples.aborted(), samples.cut(), samples.reset()], State.DOWN),
        ([samples.complete(), samples.cut(), samples.reset()], State.AT_RISK),
        ([replace(samples.cut(), trigger="api")] * 3 + [samples.complete()], State.OK),
    ],
)
def test_the_confirmed_state(made: list[Observation], state: State) -> None:
    """Two failures in a row are down, one or a missed SLO is a risk, and requested probes change nothing."""
    assert samples.view(TARGET, *made).state is state


def test_a_paused_target_is_paused() -> None:
    """Whatever its last probes came to."""
    assert samples.view(replace(TARGET, paused=True), samples.cut(), samples.cut()).state is State.PAUSED


def test_an_slo_that_is_kept_forgives() -> None:
    """With an objective of one half, a past failure is no risk; a slow first chunk is one by its own SLO."""
    lenient = replace(TARGET, slo=Slo(availability=0.5))
    assert samples.view(lenient, samples.complete(), samples.cut()).state is State.OK
    assert samples.view(lenient, samples.complete(), samples.complete(first=9.0)).state is State.AT_RISK


def test_a_target_never_probed() -> None:
    """A target without a probe has no last probe, no quantile, and is not overdue."""
    view = TargetView(TARGET, (), TargetMemory())
    assert (view.last, view.first_chunk_quantile(0.5), view.stale(samples.NOW)) == (None, None, False)


def test_the_last_probe_is_the_last_that_says_something() -> None:
    """A probe that we stopped does not hide the failure before it; alone it is shown."""
    view = samples.view(TARGET, samples.aborted(), samples.cut(), samples.complete())
    assert view.last is view.recent[1]
    alone = samples.view(TARGET, samples.aborted())
    assert alone.last is alone.recent[0]


def test_quantiles_are_of_scheduled_probes() -> None:
    """A quantile is one of the measured times; manual probes and those without a first chunk do not count."""
    made = [samples.complete(first=first) for first in (0.3, 0.1, 0.2, 0.4)]
    by_hand = replace(samples.complete(first=9.0), trigger="api")
    view = samples.view(TARGET, *made, samples.unreachable(), by_hand)
    assert [view.first_chunk_quantile(part) for part in (0.0, 0.5, 0.95)] == [0.1, 0.2, 0.4]


def test_overdue_after_three_intervals() -> None:
    """A newest probe older than three intervals and its total is overdue, unless the target is paused."""
    view = samples.view(TARGET, samples.complete())
    late = samples.NOW + timedelta(seconds=3 * TARGET.interval + TARGET.timeouts.total + 1)
    assert not view.stale(late - timedelta(seconds=20))
    assert view.stale(late)
    assert not TargetView(replace(TARGET, paused=True), view.recent).stale(late)


def test_the_summary_says_since_when() -> None:
    """The first failure of the row, the last good probe before it, and the availability of scheduled probes."""
    summary = samples.view(TARGET, samples.cut(), samples.reset(), samples.complete()).summary(samples.NOW)
    assert summary.state == "down"
    assert summary.failing_since == "2026-11-22T22:08:48.000000Z"
    assert summary.last_good
    assert summary.last_good.timestamp == "2026-11-22T22:07:48.000000Z"
    assert summary.availability == pytest.approx(1 / 3)


def after_a_restart(*made: Observation) -> TargetView:
    """Return a target of which the history had a cut with a suspect, and of which these were observed since."""
    recent = RecentProbes(1)
    recent.restore([TARGET], {TARGET.name: [samples.event(samples.cut(TARGET))]})
    for observation in made:
        recent(observation)
    return TargetView(TARGET, recent.of(TARGET.name), recent.memory(TARGET.name))


@pytest.mark.parametrize(
    ("made", "suspected"),
    [
        ([], True),
        ([UNSUSPECTED], True),
        ([samples.aborted(), UNSUSPECTED], True),
        ([samples.reset(TARGET)], False),
        ([samples.complete(TARGET), UNSUSPECTED], False),
        ([samples.complete(TARGET)], False),
        ([samples.cut(TARGET)], True),
    ],
)
def test_a_suspect_outlasts_a_restart(made: list[Observation], suspected: bool) -> None:
    """As long as the same failures go on, with the same verdict."""
    assert bool(after_a_restart(*made).suspected) is suspected


def test_a_suspect_that_was_withdrawn_does_not_come_back() -> None:
    """What is known by now holds for probes of this run."""
    view = samples.view(TARGET, UNSUSPECTED, samples.cut(TARGET))
    assert view.last is not None
    assert view.suspected == ()
    view = samples.view(TARGET, samples.cut(TARGET))
    assert view.last is not None
    view.last.suspicions = ()
    assert view.suspected == ()
    assert TargetView(TARGET, (), TargetMemory()).suspected == ()
