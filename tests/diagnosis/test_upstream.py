"""Whether the target behind was well at the time of a failure."""

from __future__ import annotations

import pytest

from monitor.diagnosis.facts import Behind, facts_of
from monitor.diagnosis.incident import History
from monitor.diagnosis.upstream import can_come_from_behind, look_behind
from monitor.record.observation import Observation
from monitor.stream.endings import Deadline
from tests.diagnosis.parts import BEHIND, answered, at, cut, too_slow
from tests.sinks.stories import refused, whole


def looked(failed: Observation, *behind: Observation) -> Behind:
    """Return what the target behind was, by these probes of it."""
    history = History.of(BEHIND)
    for one in behind:
        history.add(facts_of(one))
    return look_behind(facts_of(failed), history)[0]


FAILED = at(10.0, cut(4.7))


@pytest.mark.parametrize(
    ("probes", "found"),
    [
        ([], Behind.UNKNOWN),
        ([at(9.5, whole())], Behind.UNKNOWN),
        ([at(9.5, whole()), at(10.5, whole())], Behind.WELL),
        ([at(9.5, whole()), at(10.5, refused())], Behind.FAILED),
        ([at(9.5, refused()), at(10.5, whole())], Behind.FAILED),
        ([at(8.0, refused()), at(9.5, whole()), at(10.5, whole())], Behind.WELL),
        ([at(9.5, whole()), at(10.5, whole()), at(11.5, refused())], Behind.WELL),
        ([at(10.0, cut(4.5))], Behind.FAILED),
        ([at(10.0, too_slow(Deadline.HEADERS)), at(10.5, whole())], Behind.FAILED),
        ([at(19.0, refused())], Behind.UNKNOWN),
        ([at(1.0, refused())], Behind.UNKNOWN),
        ([at(9.5, answered(401))], Behind.UNKNOWN),
    ],
)
def test_by_the_probes_around(probes: list[Observation], found: Behind) -> None:
    """One failure beside it is enough; two good probes around it speak for the target behind; else it is not known."""
    assert looked(FAILED, *probes) is found


def test_a_stream_that_goes_on_through_that_moment() -> None:
    """The server behind did not end then, whatever it came to before."""
    short = at(10.05, cut(0.1, last=0.05))
    assert looked(short, at(9.9, refused()), at(10.045, whole())) is Behind.RUNNING


@pytest.mark.parametrize(
    ("failed", "can"),
    [
        (cut(3.0), True),
        (answered(500), True),
        (answered(429, "No deployments available"), True),
        (answered(401), False),
        (refused(), False),
        (too_slow(Deadline.CONNECT), False),
    ],
)
def test_what_can_come_from_behind(failed: Observation, can: bool) -> None:
    """What a gateway passes on or answers for; not what happens on the way to it."""
    assert can_come_from_behind(facts_of(failed)) is can
    refusal = at(0.0, answered(401))
    assert looked(at(0.0, refusal), at(0.01, refusal)) is Behind.FAILED, "one and the same refusal"
