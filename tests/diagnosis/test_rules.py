"""The rules of suspicion, each against every outcome: which failures it takes, and which it does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from monitor.diagnosis.error_messages import Statement
from monitor.diagnosis.facts import Pair, ProbeFacts, UpstreamState
from monitor.diagnosis.incident import History
from monitor.diagnosis.suspects import Scene, work_out
from monitor.judge.verdict import Outcome
from monitor.record.parts import Suspect
from monitor.stream.endings import AfterCut
from monitor.target import Target
from tests.diagnosis.parts import BEHIND, IN_FRONT
from tests.diagnosis.tables import CUT_PAIRS, ERRORS, FAILURES, STOPPED, probed, words, written
from tests.sinks.samples import GATEWAY

OK: Pair = (Outcome.OK, None)
LEFT: Pair = (Outcome.TRUNCATED, "incomplete_body")
REFUSED: Pair = (Outcome.UNREACHABLE, "refused")
NO_CONNECTION: Pair = (Outcome.TIMEOUT, "connect")
OVERLOADED: Pair = (Outcome.HTTP_ERROR, "overloaded")
SERVER: Pair = (Outcome.HTTP_ERROR, "server")
REFUSAL: Pair = (Outcome.HTTP_ERROR, "auth")
ALL = words(FAILURES)
OVERLOAD = written("http_error: overloaded\nstream_error: overloaded")
CONTEXT = written("stream_error: context_length\ntruncated: token_limit")
SILENT = written("truncated: no_terminator incomplete_answer\nempty: no_output")
NO_WAY = written("unreachable: dns network")
HANGING = written("stalled: silent no_output\ntimeout: headers first_chunk total")

Series = Callable[[Pair], Sequence[ProbeFacts]]


def suspected(*probes: ProbeFacts, target: Target = GATEWAY, **more: Any) -> dict[str, str]:  # noqa: ANN401 - fields of Scene
    """Return the suspects after these probes of a target, with the evidence; empty if the last one was good."""
    history = History.of(target)
    for one in probes:
        history.add(one)
    if history.incident is None:
        return {}
    return {it.suspect: it.because for it in work_out(Scene(history, history.incident, **more))}


def times(number: int, pair: Pair, **more: Any) -> list[ProbeFacts]:  # noqa: ANN401 - fields of ProbeFacts
    """Return so many failures of one kind, a minute apart, at ages that no timer has."""
    return [probed(pair, end=60.0 * one + 100.0, age=3.1 + 1.7 * one * one, **more) for one in range(number)]


GOOD = probed(OK, end=10.0, first_byte=0.5, connected=True)
SLOW = probed(OK, end=10.0, first_byte=20.0, connected=True)
RULES: dict[str, tuple[Suspect, Series, set[str]]] = {
    "a cut, and the next one was refused": (
        Suspect.RESTART, lambda it: [probed(it), probed(REFUSED, end=120.0)], STOPPED,
    ),
    "refused where a server answered": (Suspect.RESTART, lambda it: [GOOD, probed(it)], words([REFUSED])),
    "refused right after": (Suspect.RESTART, lambda it: [probed(it, after_cut=AfterCut.REFUSED)], ALL),
    "accepted right after": (Suspect.RESTART, lambda it: [probed(it, after_cut=AfterCut.ACCEPTED)], set()),
    "it says that it is starting": (
        Suspect.RESTART,
        lambda it: [GOOD, probed(it, statement=Statement.STARTING)],
        ERRORS - {"stream_error/upstream"} | words([REFUSED]),
    ),
    "it says so and was never good": (Suspect.RESTART, lambda it: [probed(it, statement=Statement.STARTING)], set()),
    "it says that an upstream is gone": (
        Suspect.UPSTREAM, lambda it: [probed(it, statement=Statement.UPSTREAM_LOST)], ERRORS,
    ),
    "a 502": (Suspect.UPSTREAM, lambda it: [probed(it, status=502)], ALL),
    "the kind of the error": (Suspect.UPSTREAM, lambda it: [probed(it)], {"stream_error/upstream"}),
    "the kind of the error, and a time-out": (
        Suspect.UPSTREAM, lambda it: [probed(it, statement=Statement.TIMED_OUT)], set(),
    ),
    "the kind of the error, and a context": (
        Suspect.UPSTREAM, lambda it: [probed(it, statement=Statement.CONTEXT)], set(),
    ),
    "it says that the context is full": (
        Suspect.CONTEXT, lambda it: [probed(it, statement=Statement.CONTEXT)], ERRORS | CONTEXT,
    ),
    "the context is full": (Suspect.CONTEXT, lambda it: [probed(it)], CONTEXT),
    "it says that it is overloaded": (
        Suspect.OVERLOAD,
        lambda it: [probed(it, statement=Statement.OVERLOADED)],
        ERRORS - written("http_error: rate_limited\nstream_error: rate_limited upstream"),
    ),
    "it is overloaded": (Suspect.OVERLOAD, lambda it: [probed(it)], OVERLOAD),
    "it is overloaded, and the words are of an upstream": (
        Suspect.OVERLOAD, lambda it: [probed(it, statement=Statement.UPSTREAM_LOST)], set(),
    ),
    "it is overloaded, and the words are of a time-out": (
        Suspect.OVERLOAD, lambda it: [probed(it, statement=Statement.TIMED_OUT)], set(),
    ),
    "it is overloaded, and the words are of a start": (
        Suspect.OVERLOAD, lambda it: [probed(it, statement=Statement.STARTING)], set(),
    ),
    "a 503 with a time to come back": (
        Suspect.OVERLOAD, lambda it: [probed(it, status=503, retry_after=True, statement=Statement.INTERNAL)], OVERLOAD,
    ),
    "a 503 and nothing else": (Suspect.OVERLOAD, lambda it: [probed(it, status=503)], OVERLOAD),
    "a 503 of an internal error": (
        Suspect.OVERLOAD, lambda it: [probed(it, status=503, statement=Statement.INTERNAL)], OVERLOAD,
    ),
    "a 503 beside another failure": (
        Suspect.OVERLOAD,
        lambda it: [probed(it), probed(OVERLOADED, end=120.0, status=503)],
        ALL - STOPPED - NO_WAY - CONTEXT - words([REFUSED]) - {"stream_error/upstream"},
    ),
    "no way to it": (Suspect.NETWORK, lambda it: [probed(it)], NO_WAY),
    "no way to it, twice": (Suspect.NETWORK, lambda it: times(2, it), NO_WAY | {"timeout/connect"}),
    "no connections beside another failure": (
        Suspect.NETWORK,
        lambda it: [probed(it), probed(NO_CONNECTION, end=120.0), probed(NO_CONNECTION, end=180.0)],
        {it for it in ALL if not it.startswith("http_error")} - HANGING,
    ),
    "three at one age": (
        Suspect.PROXY_TIMEOUT,
        lambda it: [probed(it, end=60.0 * one, age=30.0, chunks=one) for one in (1, 2, 3)],
        CUT_PAIRS,
    ),
    "three at one age that were whole": (
        Suspect.PROXY_TIMEOUT,
        lambda it: [probed(it, end=60.0 * one, age=30.0, chunks=one, whole=True) for one in (1, 2, 3)],
        set(),
    ),
    "two time-outs of a gateway that usually needs as long": (
        Suspect.PROXY_TIMEOUT,
        lambda it: [SLOW, *(probed(it, end=60.0 * one, age=30.0, statement=Statement.TIMED_OUT) for one in (1, 2))],
        ERRORS,
    ),
    "two 504": (
        Suspect.PROXY_TIMEOUT,
        lambda it: [SLOW, *(probed(it, end=60.0 * one, age=40.0, status=504) for one in (1, 2))],
        ALL - OVERLOAD - CONTEXT - NO_WAY - words([REFUSED]) - {"stream_error/upstream"},
    ),
    "two 504 that took longer than twice what is usual": (
        Suspect.PROXY_TIMEOUT,
        lambda it: [SLOW, *(probed(it, end=60.0 * one, age=40.1, status=504) for one in (1, 2))],
        set(),
    ),
    "three 504 of a gateway that is usually quick": (
        Suspect.UPSTREAM,
        lambda it: [GOOD, *(probed(it, end=60.0 * one, age=2.0, status=504) for one in (1, 2, 3))],
        ALL - CUT_PAIRS - OVERLOAD - CONTEXT - NO_WAY - words([REFUSED]),
    ),
    "three 504 of a gateway that is quick to give up": (
        Suspect.UPSTREAM,
        lambda it: [GOOD, *(probed(it, end=60.0 * one, age=1.9, status=504) for one in (1, 2, 3))],
        {"stream_error/upstream"},
    ),
    "two clean ends": (Suspect.SILENT_END, lambda it: times(2, it, clean=True), SILENT),
    "two ends of a whole answer": (Suspect.SILENT_END, lambda it: times(2, it, whole=True), SILENT),
    "two ends of a server that is still there": (
        Suspect.SILENT_END, lambda it: times(2, it, after_cut=AfterCut.ACCEPTED), SILENT,
    ),
    "two ends that may be a restart's": (Suspect.SILENT_END, lambda it: times(2, it), set()),
    "one clean end": (Suspect.SILENT_END, lambda it: times(1, it, clean=True), set()),
    "an end that was invented": (
        Suspect.SILENT_END, lambda it: [probed(it, beginning=True)], {"wrong_content/missing"},
    ),
    "two bodies without their last chunk": (
        Suspect.APP_EXCEPTION, lambda it: times(2, it, chunked=True), words([LEFT]),
    ),
    "two bodies that were shorter than their length": (Suspect.APP_EXCEPTION, lambda it: times(2, it), set()),
    "two bodies, and the server accepts connections": (
        Suspect.APP_EXCEPTION, lambda it: times(2, it, chunked=True, after_cut=AfterCut.ACCEPTED), words([LEFT]),
    ),
    "two bodies, and nobody there": (
        Suspect.APP_EXCEPTION, lambda it: times(2, it, chunked=True, after_cut=AfterCut.REFUSED), set(),
    ),
    "two internal errors in the stream": (
        Suspect.APP_EXCEPTION, lambda it: times(2, it, statement=Statement.INTERNAL), {"stream_error/other"},
    ),
    "one internal error": (Suspect.APP_EXCEPTION, lambda it: times(1, it, status=500), set()),
    "two 500": (
        Suspect.APP_EXCEPTION,
        lambda it: times(2, it, status=500),
        ALL - OVERLOAD - CONTEXT - NO_WAY - {"stream_error/upstream"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("suspect", "series", "taken"), RULES.values(), ids=RULES.keys())
def test_which_failures_a_rule_takes(suspect: Suspect, series: Series, taken: set[str]) -> None:
    """Exactly these outcomes and causes are blamed on the suspect."""
    assert words(pair for pair in FAILURES if suspect in suspected(*series(pair))) == taken


@pytest.mark.parametrize("statement", [it for it in Statement if it not in {Statement.NOTHING, Statement.INTERNAL}])
def test_words_that_are_of_no_exception(statement: Statement) -> None:
    """A 500 whose text names another cause is not counted as an exception of the application."""
    for pair in (SERVER, REFUSAL):
        assert Suspect.APP_EXCEPTION not in suspected(*times(2, pair, status=500, statement=statement))


SENTENCES: dict[str, list[ProbeFacts]] = {
    "a probe was cut, and the next one was refused (2 of 2 failures of this incident)": [
        probed(LEFT), probed(REFUSED, end=120.0),
    ],
    "connections are refused where a server answered before": [GOOD, probed(REFUSED)],
    "the response says that an upstream failed": [probed(SERVER, statement=Statement.UPSTREAM_LOST)],
    "a 502: a gateway got no valid response from its upstream": [probed(SERVER, status=502)],
    "the stream says that an upstream failed": [probed((Outcome.STREAM_ERROR, "upstream"))],
    "the server says that it is starting": [GOOD, probed(SERVER, statement=Statement.STARTING)],
    "the server says that it is overloaded": [probed(OVERLOADED, status=529)],
    "a 503 from a server that is still up": [probed(OVERLOADED, status=503)],
    "the answer reached a limit on the model's context or output": [probed((Outcome.TRUNCATED, "token_limit"))],
    "the request did not reach the server": [probed((Outcome.UNREACHABLE, "dns"))],
    "the request did not reach the server (2 of 2 failures of this incident)": times(2, NO_CONNECTION),
    "2 streams ended cleanly and were not complete": times(2, (Outcome.TRUNCATED, "no_terminator"), clean=True),
    "2 responses report an internal error of the server": times(2, SERVER, status=500),
    "2 streams lacked the last chunk, and the server still answers": times(2, LEFT, chunked=True),
}  # fmt: skip
"""The evidence, in the words that users read."""


@pytest.mark.parametrize("sentence", SENTENCES)
def test_the_evidence_is_reported(sentence: str) -> None:
    """One sentence for each kind of evidence, with how many failures it explains if there are several."""
    assert list(suspected(*SENTENCES[sentence]).values()) == [sentence]


PATTERNS: dict[Suspect, tuple[Callable[[], list[ProbeFacts]], set[str]]] = {
    Suspect.APP_EXCEPTION: (
        lambda: times(2, LEFT, chunked=True), words([LEFT, SERVER]) | {"stream_error/other"},
    ),
    Suspect.SILENT_END: (
        lambda: times(1, (Outcome.WRONG_CONTENT, "missing"), beginning=True), SILENT | {"wrong_content/missing"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("suspect", "evidence", "explained"), [(it, *row) for it, row in PATTERNS.items()])
def test_what_else_a_pattern_explains(
    suspect: Suspect, evidence: Callable[[], list[ProbeFacts]], explained: set[str]
) -> None:
    """A suspect that explains neither of the two newest failures is out; it may explain unblamed ones."""
    newest = {pair: [probed(pair, end=900.0, age=17.3), probed(pair, end=960.0, age=23.9)] for pair in FAILURES}
    assert words(pair for pair in FAILURES if suspect in suspected(*evidence(), *newest[pair])) == explained


EXPLAINED: dict[Suspect, tuple[ProbeFacts, set[str]]] = {
    Suspect.RESTART: (probed(LEFT, end=900.0, after_cut=AfterCut.REFUSED), STOPPED | OVERLOAD | words([REFUSED])),
    Suspect.OVERLOAD: (probed(OVERLOADED, end=900.0, status=529), OVERLOAD | HANGING),
    Suspect.NETWORK: (probed((Outcome.UNREACHABLE, "dns"), end=900.0), NO_WAY | {"timeout/connect"}),
    Suspect.CONTEXT: (probed((Outcome.TRUNCATED, "token_limit"), end=900.0), CONTEXT),
    Suspect.UPSTREAM: (
        probed(SERVER, end=900.0, status=502),
        written("""
            truncated: incomplete_body reset malformed_body no_terminator mid_event server_abort incomplete_answer
            empty: no_output no_body
            wrong_content: missing too_short
            stalled: silent no_output
            timeout: headers first_chunk total
            http_error: server
            stream_error: upstream other
            no_response: closed reset partial_head
            bad_response: content_type
        """),
    ),
}
"""What else of an incident a suspect explains once stronger evidence points at it."""


@pytest.mark.parametrize(("suspect", "evidence", "explained"), [(it, *row) for it, row in EXPLAINED.items()])
def test_what_else_a_suspect_explains(suspect: Suspect, evidence: ProbeFacts, explained: set[str]) -> None:
    """The evidence counts the failures that it covers."""
    found = {pair: suspected(probed(pair), fresh(evidence)).get(suspect, "") for pair in FAILURES}
    assert (
        words(pair for pair, text in found.items() if text.endswith("(2 of 2 failures of this incident)")) == explained
    )


def fresh(one: ProbeFacts) -> ProbeFacts:
    """Return a probe on which nothing was blamed yet."""
    return probed(one.pair, end=one.end, status=one.status, after_cut=one.after_cut)


def test_failures_that_an_upstream_explains() -> None:
    """Overload caused by an upstream's failure is no restart, and a healthy upstream explains nothing."""
    restart = EXPLAINED[Suspect.RESTART][0]
    by = suspected(probed(OVERLOADED, upstream_state=UpstreamState.FAILED, status=503), fresh(restart))[Suspect.RESTART]
    assert by.endswith("(1 of 2 failures of this incident)")
    for behind in UpstreamState:
        text = suspected(probed(LEFT, upstream_state=behind), fresh(EXPLAINED[Suspect.UPSTREAM][0]))[Suspect.UPSTREAM]
        number = 1 if behind in {UpstreamState.HEALTHY, UpstreamState.RUNNING} else 2
        assert text.endswith(f"({number} of 2 failures of this incident)"), behind


OTHER = Target("other", "openai-chat", "http://10.0.0.8/v1", upstream="behind")
BESIDE = Target("beside", "openai-chat", GATEWAY.url)


def mark(target: Target, pair: Pair, **more: Any) -> tuple[History, ProbeFacts]:  # noqa: ANN401 - fields of ProbeFacts
    """Return a cut of another target."""
    return History.of(target), probed(pair, **more)


def test_cuts_at_two_addresses_with_one_upstream() -> None:
    """Each cut that falls within a second of another's; a timer's would have begun, or fallen silent, together."""

    def with_other(pair: Pair, target: Target = OTHER, **more: Any) -> dict[str, str]:  # noqa: ANN401 - see mark
        cuts = {"end": 60.5, "age": 20.0} | more
        return suspected(probed(pair, end=60.0, age=9.0), target=IN_FRONT, sharing=[mark(target, LEFT, **cuts)])

    assert words(it for it in FAILURES if Suspect.UPSTREAM in with_other(it)) == CUT_PAIRS | {"stream_error/upstream"}
    assert with_other(LEFT) == {Suspect.UPSTREAM: "other has the same upstream and was cut within a second"}
    assert with_other(LEFT, end=61.0) != {}
    assert with_other(LEFT, end=61.1) == {}
    assert with_other(LEFT, end=60.5, age=10.5) == {}, "they began within a second"
    assert with_other(LEFT, end=60.5, age=10.6) != {}
    assert with_other(LEFT, target=Target("twin", "openai-chat", GATEWAY.url, upstream="behind")) == {}, "one address"


@pytest.mark.parametrize(
    ("mine", "its", "one_event"),
    [(None, None, True), (2.0, None, True), (None, 2.0, True), (1.0, 2.0, True), (2.0, 1.0, True), (1.1, 1.1, False)],
)
def test_streams_that_fell_silent_together(mine: float | None, its: float | None, one_event: bool) -> None:
    """Two that were silent for more than a second before their cut can be a timer's; one alone cannot."""
    other = mark(BESIDE, LEFT, end=60.5, age=20.0, silence=its)
    found = suspected(probed(LEFT, end=60.0, age=9.0, silence=mine), others=[other])
    assert (Suspect.RESTART in found) is one_event


def test_cuts_at_one_address() -> None:
    """Each cut that falls within a second of another's there is a restart, but not if they may share their upstream."""

    def with_other(pair: Pair, other: Pair = LEFT, upstream: str | None = None, own: Target = GATEWAY) -> bool:
        beside = Target("beside", "openai-chat", GATEWAY.url, upstream=upstream)
        cut = mark(beside, other, end=60.5, age=20.0)
        return Suspect.RESTART in suspected(probed(pair, end=60.0, age=9.0), target=own, others=[cut])

    assert words(it for it in FAILURES if with_other(it)) == CUT_PAIRS
    assert words(it for it in FAILURES if with_other(LEFT, it)) == CUT_PAIRS | words([REFUSED])
    assert not with_other(LEFT, upstream="behind", own=IN_FRONT)
    assert with_other(LEFT, upstream="another", own=IN_FRONT)
    assert with_other(LEFT, upstream="behind")


@pytest.mark.parametrize(("end", "gone"), [(58.9, False), (59.0, True), (60.0, True), (121.0, True), (121.1, False)])
def test_another_target_is_refused(end: float, gone: bool) -> None:
    """A refused target is evidence from a second before the cut to an interval and a second after it."""
    found = suspected(probed(LEFT, end=60.0), others=[mark(BESIDE, REFUSED, end=end)])
    assert found == ({Suspect.RESTART: "a probe was cut, and beside was refused at the same address"} if gone else {})


def test_a_503_of_a_gateway_whose_upstream_is_not_known_to_be_well() -> None:
    """A 503 of a gateway is its own overload only if its upstream was healthy."""
    well = History.of(BEHIND)
    for end in (50.0, 70.0):
        well.add(probed(OK, end=end))
    assert suspected(probed(OVERLOADED, status=503), target=IN_FRONT) == {}
    assert set(suspected(probed(OVERLOADED, status=503), target=IN_FRONT, upstream=well)) == {Suspect.OVERLOAD}


def late(number: int) -> list[ProbeFacts]:
    """Return so many 504, each five seconds after its request."""
    return [probed(SERVER, end=60.0 * one + 60.0, age=5.0, status=504) for one in range(number)]


@pytest.mark.parametrize(
    ("good", "end", "first_byte", "slow"),
    [
        (True, 100.0, 5.0, True),
        (True, 100.0, 4.9, False),
        (True, 181.0, 5.0, True),
        (True, 181.1, 5.0, False),
        (False, 100.0, 5.0, False),
    ],
)
def test_one_504_of_a_gateway_whose_upstream_is_slow(*, good: bool, end: float, first_byte: float, slow: bool) -> None:
    """The gateway timed out too early if its upstream's good answer began no sooner, within the time limits."""
    upstream = History.of(BEHIND)
    for probe in (probed(OK, end=50.0), probed(OK, end=70.0)):
        upstream.add(probe)
    upstream.add(probed(OK if good else REFUSAL, end=end, first_byte=first_byte))
    assert (Suspect.PROXY_TIMEOUT in suspected(*late(1), target=IN_FRONT, upstream=upstream)) is slow


def test_504_of_a_gateway_whose_upstream_is_not_probed() -> None:
    """Without an upstream the usual times show that the gateway timed out too early, not that its upstream hangs."""
    assert set(suspected(SLOW, *late(2), target=IN_FRONT)) == {Suspect.PROXY_TIMEOUT}
    assert suspected(GOOD, *late(3), target=IN_FRONT) == {}
    assert set(suspected(GOOD, *late(3))) == {Suspect.UPSTREAM}
