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
    """It begins with a failure, and ends after as many good probes in a row as the target asks for."""
    told = history(recover=2)
    for one in (whole(), cut(3.0), whole(), cut(4.0), whole()):
        told.add(facts_of(one))
    assert told.incident is not None
    assert told.incident.count == 2
    assert told.incident.newest.age == 4.0
    told.add(facts_of(whole()))
    assert [one.count for one in told.past] == [2]


def test_what_is_kept_is_bounded() -> None:
    """All failures are counted, and the newest kept."""
    told = history()
    for _ in range(KEPT + 5):
        told.add(facts_of(cut(3.0)))
    assert told.incident is not None
    assert (told.incident.count, len(told.incident.failures), len(told.probes)) == (KEPT + 5, KEPT, KEPT)
    assert len(told.latest(4)) == 4


def test_one_probe_is_found_in_its_incident() -> None:
    """While it is kept, and if it failed."""
    told = history()
    for name, one in (("a", cut(3.0)), ("b", whole()), ("c", cut(4.0))):
        told.add(facts_of(replace(one, probe_id=name)))
    found = told.incident_of("a")
    assert found is not None
    assert (found[0] is told.past[0], found[1].age) == (True, 3.0)
    assert told.incident_of("b") is None


def test_what_is_known_of_a_target() -> None:
    """Whether somebody ever listened there, what is usual, and for how long a probe says something."""
    told = history()
    told.add(facts_of(refused()))
    assert (told.answered, told.ever_good) == (False, False)
    told.add(facts_of(whole()))
    assert (told.answered, told.ever_good, list(told.first_bytes)) == (True, True, [0.2])
    told.add(replace(facts_of(whole()), first_byte=None))
    assert list(told.first_bytes) == [0.2]
    told.follow(replace(GATEWAY, interval=10.0))
    assert told.reach == 21.0
