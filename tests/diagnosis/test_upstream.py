"""Whether the upstream was available at the time of a failure."""

from __future__ import annotations

import pytest

from monitor.diagnosis.error_messages import Statement
from monitor.diagnosis.facts import Pair, ProbeFacts, UpstreamState, facts_of
from monitor.diagnosis.incident import History
from monitor.diagnosis.upstream import can_come_from_upstream, explains, upstream_state_at
from monitor.judge.verdict import Outcome
from monitor.record.observation import Observation
from monitor.stream.endings import Deadline
from tests.diagnosis.parts import BEHIND, answered, at, cut, too_slow
from tests.diagnosis.tables import FAILURES, PAIRS, probed, words, written
from tests.sinks.samples import refused, whole

PASSED_ON = written("""
    truncated: incomplete_body reset malformed_body no_terminator mid_event server_abort incomplete_answer
    empty: no_output no_body
    wrong_content: missing too_short
    stalled: silent no_output
    timeout: headers first_chunk total
    http_error: server overloaded
    stream_error: upstream overloaded other
    no_response: closed reset partial_head
    bad_response: content_type
""")
"""What a gateway comes to whose upstream dies, hangs or raises."""
FAILED_BEHIND = PASSED_ON - {"wrong_content/too_short"} | written("unreachable: refused network\ntimeout: connect")
"""What an upstream comes to that dies, hangs or raises."""
CUT: Pair = (Outcome.TRUNCATED, "incomplete_body")
TOO_SHORT: Pair = (Outcome.WRONG_CONTENT, "too_short")
REFUSED: Pair = (Outcome.UNREACHABLE, "refused")
REFUSAL: Pair = (Outcome.HTTP_ERROR, "auth")


def looked(failed: Observation, *behind: Observation) -> UpstreamState:
    """Return the state of the upstream, by these probes of it."""
    history = History.of(BEHIND)
    for one in behind:
        history.add(facts_of(one))
    return upstream_state_at(facts_of(failed), history)[0]


FAILED = at(10.0, cut(4.7))


@pytest.mark.parametrize(
    ("probes", "found"),
    [
        ([], UpstreamState.UNKNOWN),
        ([at(9.5, whole())], UpstreamState.UNKNOWN),
        ([at(9.5, whole()), at(10.5, whole())], UpstreamState.HEALTHY),
        ([at(9.5, whole()), at(10.5, refused())], UpstreamState.FAILED),
        ([at(9.5, refused()), at(10.5, whole())], UpstreamState.FAILED),
        ([at(8.0, refused()), at(9.5, whole()), at(10.5, whole())], UpstreamState.HEALTHY),
        ([at(9.5, whole()), at(10.5, whole()), at(11.5, refused())], UpstreamState.HEALTHY),
        ([at(10.0, cut(4.5))], UpstreamState.FAILED),
        ([at(10.0, too_slow(Deadline.HEADERS)), at(10.5, whole())], UpstreamState.FAILED),
        ([at(19.0, refused())], UpstreamState.UNKNOWN),
        ([at(1.0, refused())], UpstreamState.UNKNOWN),
        ([at(9.5, answered(401))], UpstreamState.UNKNOWN),
    ],
)
def test_by_the_probes_around(probes: list[Observation], found: UpstreamState) -> None:
    """One failure near it means failed, good probes before and after mean healthy, anything else is unknown."""
    assert looked(FAILED, *probes) is found


def test_a_stream_that_goes_on_through_that_moment() -> None:
    """A good stream that ran at that moment shows a running upstream, whatever came before."""
    short = at(10.05, cut(0.1, last=0.05))
    assert looked(short, at(9.9, refused()), at(10.045, whole())) is UpstreamState.RUNNING


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
def test_what_can_come_from_upstream(failed: Observation, can: bool) -> None:
    """An upstream can cause failures that a gateway passes on, not those of the connection to the gateway."""
    assert can_come_from_upstream(facts_of(failed)) is can
    refusal = at(0.0, answered(401))
    assert looked(at(0.0, refusal), at(0.01, refusal)) is UpstreamState.FAILED, "one and the same refusal"


def test_every_failure_that_a_gateway_passes_on() -> None:
    """These outcomes can come from the upstream; so can any other whose text reports a lost or late upstream."""
    assert words(pair for pair in PAIRS if can_come_from_upstream(probed(pair))) == PASSED_ON
    for statement in Statement:
        every = all(can_come_from_upstream(probed(pair, statement=statement)) for pair in FAILURES)
        assert every == (statement in {Statement.UPSTREAM_LOST, Statement.TIMED_OUT}), statement


def test_every_failure_of_an_upstream_that_explains_one() -> None:
    """A dead upstream explains a cut; a key that it refuses explains the same refusal alone, and a good one nothing."""
    assert words(pair for pair in PAIRS if explains(probed(pair), probed(CUT))) == FAILED_BEHIND
    assert words(pair for pair in PAIRS if explains(probed(pair), probed(TOO_SHORT))) == FAILED_BEHIND | words(
        [TOO_SHORT]
    )
    assert words(pair for pair in PAIRS if explains(probed(pair), probed(REFUSAL))) == words([REFUSAL])


def test_an_upstream_does_not_explain_a_refused_connection() -> None:
    """An address that does not connect is reached without the upstream, even if both fail alike."""
    alike = {pair for pair in FAILURES if explains(probed(pair), probed(pair))}
    assert words(set(FAILURES) - alike) == {
        *words(it for it in FAILURES if it[0] is Outcome.UNREACHABLE),
        "timeout/connect",
    }


FRONT = probed(CUT, end=1000.0, age=10.0, silence=2.0)
"""A cut at 1000 s, after two seconds of silence: what cut it happened from 998 s on."""
REACH = 2 * BEHIND.interval + 1.0


@pytest.mark.parametrize(
    ("behind", "found"),
    [
        # a failure counts while what it met can be what was met in front
        ([probed(REFUSED, end=998.0 - REACH)], UpstreamState.FAILED),
        ([probed(REFUSED, end=998.0 - REACH - 0.1)], UpstreamState.UNKNOWN),
        ([probed(REFUSED, end=1001.0 + REACH, age=1.0)], UpstreamState.FAILED),
        ([probed(REFUSED, end=1001.1 + REACH, age=1.0)], UpstreamState.UNKNOWN),
        # a good probe is about all of its time
        ([probed(end=990.0), probed(end=1001.0 + REACH, age=1.0)], UpstreamState.HEALTHY),
        ([probed(end=990.0), probed(end=1001.1 + REACH, age=1.0)], UpstreamState.UNKNOWN),
        ([probed(end=1000.0)], UpstreamState.UNKNOWN),
        ([probed(end=1000.1)], UpstreamState.HEALTHY),
        # a failure within a second of it decides, whatever the probes around came to
        ([probed(REFUSED, end=997.0), probed(end=999.0), probed(end=1001.0)], UpstreamState.FAILED),
        ([probed(REFUSED, end=996.9), probed(end=999.0), probed(end=1001.0)], UpstreamState.HEALTHY),
        ([probed(end=1000.5), probed(REFUSED, end=1002.0, age=1.0)], UpstreamState.FAILED),
        ([probed(end=1000.5), probed(REFUSED, end=1002.1, age=1.0)], UpstreamState.HEALTHY),
        ([probed(REFUSED, end=1050.0, age=50.0, silence=49.0), probed(end=1000.5)], UpstreamState.FAILED),
        ([probed(REFUSED, end=1050.0, age=50.0, silence=48.9), probed(end=1000.5)], UpstreamState.HEALTHY),
        ([probed(REFUSED, end=996.9), probed(end=995.0), probed(end=1001.0)], UpstreamState.FAILED),
        ([probed(REFUSAL, end=1000.0), probed(REFUSED, end=1000.5)], UpstreamState.FAILED),
        ([probed(REFUSAL, end=1000.5), probed(REFUSED, end=999.5)], UpstreamState.FAILED),
        ([probed(REFUSAL, end=1000.5)], UpstreamState.UNKNOWN),
        # a stream that began before what cut this one, and outlived it, shows that it ran
        ([probed(end=1000.3, age=2.4)], UpstreamState.RUNNING),
        ([probed(end=1000.3, age=2.3)], UpstreamState.HEALTHY),
        ([probed(end=1000.2, age=9.0)], UpstreamState.HEALTHY),
        ([probed(CUT, end=1003.0, age=9.0, silence=0.1)], UpstreamState.FAILED),
        ([probed(end=1000.3, age=2.4), probed(REFUSED, end=990.0)], UpstreamState.RUNNING),
        ([probed(end=1000.3, age=2.4), probed(REFUSED, end=999.9)], UpstreamState.FAILED),
    ],
)  # fmt: skip
def test_when_a_probe_of_the_upstream_counts(behind: list[ProbeFacts], found: UpstreamState) -> None:
    """A probe counts within two intervals of the failure, a failure within a second, a stream if it ran through it."""
    history = History.of(BEHIND)
    for one in behind:
        history.add(one)
    was, by = upstream_state_at(FRONT, history)
    assert was is found
    assert (by is None) == (found is UpstreamState.UNKNOWN)


def test_the_probe_that_says_it_is_named() -> None:
    """The nearest failure of those that explain it: what ran meanwhile, then what came after, then what came before."""
    history = History.of(BEHIND)
    before, later = probed(REFUSED, end=990.0), probed(REFUSED, end=1010.0, age=1.0)
    for one in (before, later):
        history.add(one)
    assert upstream_state_at(FRONT, history) == (UpstreamState.FAILED, later)
    history.add(meanwhile := probed(REFUSED, end=1000.5))
    assert upstream_state_at(FRONT, history) == (UpstreamState.FAILED, meanwhile)
