"""Incidents: from the first failure to recovery, and what is kept of them."""

from __future__ import annotations

from dataclasses import replace

from monitor.diagnosis.facts import facts_of
from monitor.diagnosis.incident import KEPT, History
from tests.diagnosis.parts import cut
from tests.sinks.samples import GATEWAY, refused, whole


def history(*, recover: int = 1) -> History:
    """Return the empty history of a target."""
    found = History.of(GATEWAY)
    found.recover = recover
    return found


def test_an_incident_ends_with_recovery() -> None:
    """An incident begins with a failure, and ends after `recover` good probes in a row."""
    state = history(recover=2)
    for one in (whole(), cut(3.0), whole(), cut(4.0), whole()):
        state.add(facts_of(one))
    assert state.incident is not None
    assert state.incident.count == 2
    assert state.incident.newest.age == 4.0
    state.add(facts_of(whole()))
    assert [one.count for one in state.past] == [2]


def test_what_is_kept_is_bounded() -> None:
    """All failures are counted, and the newest kept."""
    state = history()
    for _ in range(KEPT + 5):
        state.add(facts_of(cut(3.0)))
    assert state.incident is not None
    assert (state.incident.count, len(state.incident.failures), len(state.probes)) == (KEPT + 5, KEPT, KEPT)
    assert len(state.latest(4)) == 4


def test_one_probe_is_found_in_its_incident() -> None:
    """While it is kept, and if it failed."""
    state = history()
    for name, one in (("a", cut(3.0)), ("b", whole()), ("c", cut(4.0))):
        state.add(facts_of(replace(one, probe_id=name)))
    found = state.incident_of("a")
    assert found is not None
    assert (found[0] is state.past[0], found[1].age) == (True, 3.0)
    assert state.incident_of("b") is None


def test_what_is_known_of_a_target() -> None:
    """The history has whether the target ever answered, its usual times, and how long a probe is evidence."""
    state = history()
    state.add(facts_of(refused()))
    assert (state.answered, state.ever_good) == (False, False)
    state.add(facts_of(whole()))
    assert (state.answered, state.ever_good, list(state.first_bytes)) == (True, True, [0.2])
    state.add(replace(facts_of(whole()), first_byte=None))
    assert list(state.first_bytes) == [0.2]
    state.follow(replace(GATEWAY, interval=10.0))
    assert state.reach == 21.0
