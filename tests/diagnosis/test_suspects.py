"""Suspects: who is suspected after which probes, and who is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from monitor.diagnosis.suspects import RULES
from monitor.record.parts import Suspect
from monitor.stream.endings import AfterCut, Deadline, EndKind
from monitor.stream.events import Fault
from monitor.target import Target
from tests.diagnosis.parts import (
    BEHIND,
    IN_FRONT,
    Series,
    after,
    answered,
    at,
    cut,
    given,
    in_one_piece,
    invented,
    nothing,
    piece_by_piece,
    silent,
    sized,
    suspects,
    too_slow,
    unheard,
    unreached,
)
from tests.sinks.samples import GATEWAY, failed, refused, stopped, whole

PAGE = Path(__file__).parents[2] / "docs" / "diagnosis.md"


def test_each_is_explained() -> None:
    """The page has every suspect of the closed list, and no other."""
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert {line.split("`")[1] for line in rows} == set(Suspect)
    assert {rule.suspect for rule in RULES} | {Suspect.BUFFERING_PROXY} == set(Suspect)


# -- nobody ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "series",
    [
        [whole()],
        [whole()] * 10,
        [cut(3.1)],
        [cut(31.7, EndKind.RESET), whole(), cut(12.2, EndKind.RESET)],
        [refused()] * 5,
        [answered(401)] * 3,
        [failed(Fault.AUTH)] * 3,
        [whole(), stopped()],
        [sized(3.1), sized(4.7)],
        [in_one_piece(), in_one_piece()],
        [in_one_piece(), in_one_piece(), in_one_piece(), piece_by_piece()],
        [too_slow(Deadline.HEADERS)] * 3,
        [too_slow(Deadline.CONNECT)],
        [too_slow(Deadline.HEADERS), *[too_slow(Deadline.CONNECT)] * 3],
        [whole(), answered(500)],
        [whole(), answered(504, after=10.0)],
        [cut(3.1), answered(503)],
        [answered(503, "Loading model")],
        [silent()],
        [answered(500, "Read timed out", after=5.0)] * 2,
        [cut(15.0)] * 2,
        [cut(7.3), cut(7.4, number=4), cut(7.5)],
        [cut(60.0, number=3), cut(60.1, number=4), cut(60.0, number=5), cut(12.2), cut(7.1)],
        [cut(60.0, number=3), cut(60.1, number=4), cut(60.0, number=5), answered(401), answered(401)],
    ],
)  # fmt: skip
def test_no_suspect(series: Series) -> None:
    """Not after one cut, not if the probes have nothing in common, and never because of what we did ourselves."""
    assert suspects(*series) == {}


# -- proxies -----------------------------------------------------------------------------------------------------------


def test_cuts_at_one_age_are_a_time_out() -> None:
    """Most of five cuts at 60 s are a time-out, with the number in the evidence, and no exception is suspected."""
    series = [cut(60.1, number=5), cut(59.9), cut(12.2), cut(60.0), cut(60.0)]
    because = "4 of the last 5 cuts came 60.0 s +- 0.1 after the request"
    assert suspects(*series) == {Suspect.PROXY_TIMEOUT: because}


def test_what_is_beside_a_time_out_is_no_exception() -> None:
    """Two cuts of other ages besides three of a timer are no evidence of an exception."""
    series = [cut(12.2), cut(7.1), cut(60.0, number=3), cut(60.1, number=4), cut(60.0, number=5)]
    assert set(suspects(*series)) == {Suspect.PROXY_TIMEOUT}


def test_two_cuts_at_one_age_are_no_exception() -> None:
    """Two at 15.00 s, or at 5 s, may be a proxy's, which is too few to tell; nor is it one as cuts leave the window."""
    assert suspects(cut(15.0), cut(15.01, number=4)) == {}
    assert suspects(cut(5.0), cut(5.05, number=7)) == {}
    timed = [cut(15.0, number=one) for one in (3, 4, 5)]
    for good in range(1, 10):
        assert set(suspects(*timed, *[whole()] * good, cut(15.01))) <= {Suspect.PROXY_TIMEOUT}


def test_a_time_out_is_named_again_at_its_next_cut() -> None:
    """Cuts at one age with good probes between them: each is an incident, and what they share is seen at the third."""
    series = [cut(30.0), whole(), cut(30.1, number=5), whole()]
    assert suspects(*series) == {}
    assert set(suspects(*series, cut(30.05))) == {Suspect.PROXY_TIMEOUT}
    timed = [cut(15.0, number=one) for one in (3, 4, 5)]
    assert suspects(*timed, whole(), cut(15.0)) == {
        Suspect.PROXY_TIMEOUT: "4 of the last 4 cuts came 15.0 s +- 0.0 after the request"
    }


def test_a_time_out_explains_what_a_gateway_reports_late() -> None:
    """Two 504 after three cuts of a time-out are its doing as well."""
    timed = [cut(60.0, number=one) for one in (3, 4, 5)]
    assert set(suspects(*timed, answered(504, after=60.0), answered(504, after=60.0))) == {Suspect.PROXY_TIMEOUT}


@pytest.mark.parametrize(("good", "suspected"), [(3, {Suspect.PROXY_TIMEOUT}), (4, set())])
def test_how_far_back_cuts_are_compared(good: int, suspected: set[Suspect]) -> None:
    """The third cut of a time-out is compared with those among the latest ten probes."""
    assert set(suspects(cut(30.0), *[whole()] * 4, cut(30.1, number=5), *[whole()] * good, cut(30.05))) == suspected


def test_silence_before_the_cut_is_a_time_out_as_well() -> None:
    """Equal silences before cuts of different ages are a proxy's read time-out."""
    found = suspects(cut(71.3, last=11.3), cut(64.0, last=4.0), cut(98.4, last=38.4))
    assert found[Suspect.PROXY_TIMEOUT].startswith("3 of the last 3 cuts came 60.0 s +- 0.0 after the last byte")


def test_a_time_out_before_any_byte() -> None:
    """A hop that closes without an answer has a time-out, too."""
    assert Suspect.PROXY_TIMEOUT in suspects(*(unheard(at=30.0 + one / 10) for one in range(3)))


def test_a_gateway_that_waits_too_short() -> None:
    """For a 504 or a reported time-out, the upstream and the usual times decide whose fault it is."""
    late, slow = answered(504, after=0.3), [at(number + 0.4, whole(BEHIND), BEHIND) for number in range(-1, 4)]
    assert set(suspects(late, target=IN_FRONT, upstream=slow[:2])) == set()
    assert suspects(late, late, target=IN_FRONT, upstream=slow[:3]) == {
        Suspect.PROXY_TIMEOUT: "a gateway timed out while its upstream was healthy (2 of 2 failures of this incident)"
    }
    quick = answered(504, after=0.15)
    assert set(suspects(quick, target=IN_FRONT, upstream=slow[:2])) == {Suspect.PROXY_TIMEOUT}, "slower than that"
    assert set(suspects(whole(), quick, quick)) == {Suspect.PROXY_TIMEOUT}, "answers usually need as long"
    assert suspects(whole(), cut(3.1), quick) == {}, "one cut is no time-out of the gateway"
    gone = answered(504, "upstream connect error", after=0.15)
    assert suspects(whole(), gone, *[whole()] * 3, quick) == {}, "the upstream of the first was gone"


def test_an_upstream_that_hangs() -> None:
    """A gateway that waits far longer than answers ever needed, again and again, waits for one that hangs."""
    late = answered(504, after=30.0)
    assert suspects(whole(), late, late) == {}
    assert set(suspects(whole(), late, late, late)) == {Suspect.UPSTREAM}


def test_a_504_while_the_upstream_is_frozen() -> None:
    """The failure of the upstream decides, even if it is known later."""
    late = at(0.0, answered(504, after=10.0), IN_FRONT)
    assert given(late).now("gateway") == ()
    known = given(late, at(0.1, too_slow(Deadline.HEADERS), BEHIND)).now("gateway")
    assert [it.suspect for it in known] == [Suspect.UPSTREAM]


def test_a_proxy_that_buffers() -> None:
    """Three streams in one piece, and none otherwise; short answers say nothing, nor does a server that does so too."""
    series = [whole(), in_one_piece(), in_one_piece(), in_one_piece()]
    because = {Suspect.BUFFERING_PROXY: "the last 3 streams arrived in one piece"}
    assert suspects(*series) == because
    assert suspects(*series, target=IN_FRONT, upstream=[at(0.5, piece_by_piece(), BEHIND)]) == because
    assert suspects(*series, target=IN_FRONT, upstream=[at(0.5, in_one_piece(), BEHIND)]) == {}
    assert suspects(*series, target=IN_FRONT, upstream=[at(0.5, whole(), BEHIND)]) == because, "too short to say"
    latest = {Suspect.BUFFERING_PROXY: "the last 5 streams arrived in one piece"}
    assert suspects(piece_by_piece(), *[in_one_piece()] * 5) == suspects(*[in_one_piece()] * 6) == latest
    assert suspects(piece_by_piece(), *[in_one_piece()] * 4) == {}
    assert suspects(*series, cut(3.0)) == {}, "in an incident there is more to say"


# -- servers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", [cut(3.0), cut(3.0, EndKind.RESET), unheard(), unheard(EndKind.RESET)])
def test_a_restart(broken: object) -> None:
    """A cut and then a refused connection are a restart."""
    assert set(suspects(whole(), broken, refused())) == {Suspect.RESTART}  # type: ignore[arg-type]


def test_a_restart_that_shows_at_once() -> None:
    """A refused connection right after the cut is a restart; an accepted one shows that the process still runs."""
    gone = after(cut(3.0), AfterCut.REFUSED)
    assert suspects(gone) == {Suspect.RESTART: "a probe was cut, and a connection right after that was refused"}
    assert suspects(after(gone, AfterCut.ACCEPTED)) == {}
    behind = given(at(0.0, gone, IN_FRONT), at(0.1, refused(), BEHIND)).now("gateway")
    assert [it.suspect for it in behind] == [Suspect.RESTART], "what was observed of it stays"


def test_a_server_that_died_between_its_probes() -> None:
    """A refused connection where a server answered before is a restart, also without a cut."""
    assert suspects(whole(), refused()) == {Suspect.RESTART: "connections are refused where a server answered before"}


def test_a_server_that_is_starting() -> None:
    """A server that reports that it is starting, and has answered before, was restarted."""
    assert set(suspects(whole(), answered(503, "Loading model"))) == {Suspect.RESTART}
    assert set(suspects(whole(), refused(), answered(503), answered(503))) == {Suspect.RESTART}


def test_several_at_one_address_are_cut_together() -> None:
    """A reload, or an OOM kill, that is: two streams of different ages end within a second."""
    other = replace(GATEWAY, name="other")
    series = [at(0.0, cut(30.0)), at(0.2, cut(18.2), other)]
    assert {it.suspect for it in given(*series).now("gateway")} == {Suspect.RESTART}
    assert {it.suspect for it in given(*series).now("other")} == {Suspect.RESTART}
    began_together = [at(0.0, cut(30.0)), at(0.0, cut(30.1), other)]
    assert given(*began_together).now("gateway") == (), "a timer ends them at one age"
    fell_silent = [at(0.0, cut(30.0, last=5.0)), at(0.2, cut(18.2, last=2.0), other)]
    assert given(*fell_silent).now("gateway") == (), "a timer ends one silence"
    front = [at(0.0, cut(30.0), IN_FRONT), at(0.2, cut(18.2), replace(IN_FRONT, name="other"))]
    assert given(*front).now("gateway") == (), "they have an upstream in common, which may be the one"


def test_another_target_is_refused_at_that_address() -> None:
    """A cut is a restart's if another target at that address is refused right after."""
    other = replace(GATEWAY, name="other")
    series = [at(0.0, cut(3.0)), at(0.2, refused(), other)]
    found = given(*series).now("gateway")
    assert [(it.suspect, it.because) for it in found] == [
        (Suspect.RESTART, "a probe was cut, and other was refused at the same address")
    ]
    assert given(series[0], at(3.0, refused(), other)).now("gateway") == ()


def test_gateways_that_lose_one_upstream() -> None:
    """Cut within a second at two addresses, with one upstream: that one, unless a stream of it went on."""
    other = Target("other", "openai-chat", "http://10.0.0.8/v1", upstream="behind")
    series = [at(0.0, cut(30.0), IN_FRONT), at(0.2, cut(18.2), other)]
    found = given(*series)
    assert {it.suspect for name in ("gateway", "other") for it in found.now(name)} == {Suspect.UPSTREAM}
    running = at(0.1, cut(60.0, EndKind.COMPLETE), BEHIND)
    went_on = at(
        0.1, replace(whole(BEHIND), recording=replace(whole().recording, marks=running.recording.marks)), BEHIND
    )
    assert given(went_on, *series).now("gateway") == ()


def test_a_generator_that_dies() -> None:
    """Chunked bodies without a last chunk, at no common age, from a server that is there; or 500s again and again."""
    found = suspects(cut(3.0), whole(), cut(4.7))
    assert found == {Suspect.APP_EXCEPTION: "2 streams lacked the last chunk, and the server still answers"}
    assert set(suspects(answered(500), whole(), answered(500))) == {Suspect.APP_EXCEPTION}
    assert set(suspects(*[cut(12.3, number=8)] * 4)) == {Suspect.APP_EXCEPTION}, (
        "it stops at one place, not at one time"
    )


def test_an_end_that_says_nothing() -> None:
    """The same failure, swallowed: a clean end without the protocol's, or an answer with nothing in it."""
    assert set(suspects(silent(), whole(), silent())) == {Suspect.SILENT_END}
    assert set(suspects(nothing(), whole(), silent())) == {Suspect.SILENT_END}
    assert set(suspects(*[silent()] * 2)) == {Suspect.SILENT_END}


def test_an_end_that_a_gateway_invents() -> None:
    """A correct beginning with the protocol's end is a hidden error, unless the upstream still works."""
    because = "the answer is incomplete, but the stream sent a complete end"
    assert suspects(invented()) == {Suspect.SILENT_END: because}
    assert suspects(invented(), target=IN_FRONT) == {}
    assert set(suspects(invented(), target=IN_FRONT, upstream=[at(0.5, whole(), BEHIND)])) == {Suspect.SILENT_END}
    assert set(suspects(invented(), target=IN_FRONT, upstream=[at(0.0, cut(0.5), BEHIND)])) == {Suspect.UPSTREAM}


@pytest.mark.parametrize(
    ("series", "suspect"),
    [
        ([whole(), failed(Fault.OVERLOADED)], Suspect.OVERLOAD),
        ([answered(503)], Suspect.OVERLOAD),
        ([answered(503, retry=3)], Suspect.OVERLOAD),
        ([answered(529)], Suspect.OVERLOAD),
        ([answered(500, "the queue is full")], Suspect.OVERLOAD),
        ([failed(Fault.CONTEXT_LENGTH)] * 2, Suspect.CONTEXT),
        ([answered(400, "maximum context length is 512 tokens")], Suspect.CONTEXT),
        ([unreached()], Suspect.NETWORK),
        ([unreached(EndKind.NETWORK)], Suspect.NETWORK),
        ([too_slow(Deadline.CONNECT)] * 2, Suspect.NETWORK),
        ([failed(Fault.UPSTREAM)], Suspect.UPSTREAM),
        ([answered(502)], Suspect.UPSTREAM),
        ([answered(503, "upstream connect error: remote connection failure")], Suspect.UPSTREAM),
        ([answered(500, "call_upstream_request_error")], Suspect.UPSTREAM),
        ([answered(500, "connect ECONNREFUSED 10.0.0.7:80")], Suspect.UPSTREAM),
        ([answered(500, "litellm.InternalServerError: OpenAIException - Connection error.")], Suspect.UPSTREAM),
        ([answered(429, "No deployments available for selected model, try again in 5 seconds")], Suspect.UPSTREAM),
        ([cut(3.0), answered(502)], Suspect.UPSTREAM),
        ([cut(3.0), answered(503, "no healthy upstream"), answered(503)], Suspect.UPSTREAM),
    ],
)  # fmt: skip
def test_what_the_answer_itself_says(series: Series, suspect: Suspect) -> None:
    """One such answer is enough, and it is the only suspect."""
    assert set(suspects(*series)) == {suspect}


# -- the incident ------------------------------------------------------------------------------------------------------


def test_a_suspect_ends_with_the_incident() -> None:
    """The suspect of a past incident stays, and new failures of the upstream do not change it."""
    broken = [at(number, cut(3.0 + number), IN_FRONT) for number in range(3)]
    behind = [at(number + 0.1, refused(), BEHIND) for number in range(3)]
    good = [at(number, whole(), target) for number in range(3, 12) for target in (IN_FRONT, BEHIND)]
    for until in range(len(good)):
        assert given(*broken, *behind, *good[: until + 1]).now("gateway") == ()
    again = given(*broken, *behind, *good, at(12.0, cut(7.7), IN_FRONT))
    assert again.now("gateway") == ()


def test_what_explains_more_stands() -> None:
    """A gateway that itself is gone for three probes, after its upstream failed it once; and what is over is over."""
    twice = [answered(502), answered(502)]
    assert set(suspects(whole(), *twice, refused())) == {Suspect.UPSTREAM, Suspect.RESTART}
    assert set(suspects(whole(), answered(502), refused(), refused())) == {Suspect.RESTART}
    assert set(suspects(*twice, unreached())) == {Suspect.UPSTREAM, Suspect.NETWORK}, "the newest is reported as well"
    assert set(suspects(answered(502), unreached())) == {Suspect.NETWORK}, "of two that explain one each, the later"
    assert set(suspects(unreached(), answered(502))) == {Suspect.UPSTREAM}
    assert set(suspects(*[answered(502)] * 3, answered(401), answered(401))) == set()


# -- what stands behind ------------------------------------------------------------------------------------------------


def test_the_upstream_failed_as_well() -> None:
    """If the upstream failed as well, it is the only suspect of the cut."""
    found = suspects(
        cut(3.0), cut(4.7), target=IN_FRONT, upstream=[at(0.5, whole(), BEHIND), at(1.01, refused(), BEHIND)]
    )
    assert found == {Suspect.UPSTREAM: "its upstream, behind, failed as well: unreachable/refused"}


def test_overload_of_the_upstream_is_the_upstream() -> None:
    """An error that a gateway passes on is the upstream's, once the upstream is known to fail as well."""
    found = suspects(answered(503), target=IN_FRONT, upstream=[at(0.0, answered(503), BEHIND)])
    assert set(found) == {Suspect.UPSTREAM}


def test_a_gateway_is_accused_of_no_exception_lightly() -> None:
    """Three cuts, with an upstream that was well all the time; fewer, or one that fails at times, are not enough."""
    well = [at(number + 0.5, whole(), BEHIND) for number in range(-1, 4)]
    cuts = [cut(3.0), cut(4.7), cut(9.1)]
    assert suspects(*cuts[:2], target=IN_FRONT, upstream=well) == {}
    assert set(suspects(*cuts, target=IN_FRONT, upstream=well)) == {Suspect.APP_EXCEPTION}
    at_times = [at(-5.0, cut(2.0), BEHIND), *well]
    assert suspects(*cuts, target=IN_FRONT, upstream=at_times) == {}


def test_failures_that_are_never_the_upstreams() -> None:
    """A refused key or an unknown name at the gateway is not the upstream's fault."""
    for front in (answered(401), refused(), unreached(), whole()):
        assert Suspect.UPSTREAM not in suspects(front, target=IN_FRONT, upstream=[at(0.0, refused(), BEHIND)])
