"""What one probe saw, and the event that is made of it: every key of the contract, and none that does not apply."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from monitor import __version__
from monitor.judge.content_check import CheckResult
from monitor.judge.verdict import judge
from monitor.keys.secret import Secret
from monitor.record.observation import (
    Observation,
    ServerError,
    Suspect,
    Suspicion,
    Tokens,
    gap_summary,
    host_of,
    public_url,
    record,
)
from monitor.stream.endings import BodyFraming, Ending, EndKind, Head, Mark
from monitor.stream.events import Event, Failure, Fault, Finish, Malformed, Meta, Output, Usage
from monitor.stream.recorder import Recorder
from monitor.stream.recording import EndRule, Recording
from monitor.target import CountCheck, FirstChunkSlo, Slo, Target

URL = "https://user:canary-password@gateway.example.com:8443/v1/chat?key=canary-value"
GATEWAY = Target("gateway", "openai-chat", URL, model="m", slo=Slo(first_chunk=FirstChunkSlo(2.0)))
START = datetime(2026, 11, 22, 22, 10, 0, 123456, tzinfo=UTC)
NO_END = EndRule(declares_end=False)


def told(*events: tuple[float, Event], kind: EndKind = EndKind.COMPLETE, rule: EndRule | None = None) -> Recording:
    """Tell a stream: a head, each event in a read of its own of 100 bytes, and how it ended half a second later."""
    line = Recorder(rule)
    for mark, time in ((Mark.DNS, 0.001), (Mark.CONNECT, 0.003), (Mark.TLS, 0.011), (Mark.REQUEST_SENT, 0.012)):
        line.mark(mark, time)
    line.connected = True
    line.mark(Mark.HEADERS, 0.05)
    line.head = Head(200, "text/event-stream", framing=BodyFraming.CHUNKED)
    for number, (time, event) in enumerate(events, start=1):
        line.arrived(time, 0.00003, number * 100)
        line.record(event, number * 100)
    return ended(line, kind, events[-1][0] + 0.5 if events else 0.5)


def ended(line: Recorder, kind: EndKind, at: float) -> Recording:
    """Tell how it ended."""
    line.ending = Ending(kind, at)
    line.mark(Mark.END, at)
    return line.finish()


def observed(line: Recording, **more: Any) -> Observation:  # noqa: ANN401 - fields of Observation
    """Observe and judge it."""
    fields: dict[str, Any] = {"target": GATEWAY, "check": None} | more
    verdict = judge(line, fields["check"], content_types=("text/event-stream",))
    return Observation(
        probe_id="01J0000000000000000000000A",
        timestamp=START,
        trigger="schedule",
        recording=line,
        verdict=verdict,
        **fields,
    )


WHOLE: tuple[tuple[float, Event], ...] = (
    (0.2, Meta(choice=0, model="m-1")),
    (0.25, Output("1\n")),
    (0.75, Output("2\n")),
    (1.75, Output("3\n")),
    (2.0, Finish("stop")),
)


# -- the event ---------------------------------------------------------------------------------------------------------


def test_a_whole_stream() -> None:
    """The record of a good probe, to the last key."""
    assert record(observed(told(*WHOLE))) == {
        "event": "probe",
        "schema": 1,
        "probe_id": "01J0000000000000000000000A",
        "target": "gateway",
        "timestamp": "2026-11-22T22:10:00.123456Z",
        "trigger": "schedule",
        "monitor_version": __version__,
        "outcome": "ok",
        "phase": "end",
        "unclean_end": False,
        "detail": "complete: 3 chunks",
        "protocol": "openai-chat",
        "model": "m",
        "response_model": "m-1",
        "url": "https://gateway.example.com:8443/v1/chat?key=***",
        "connection": "fresh",
        "http_status": 200,
        "content_type": "text/event-stream",
        "body_framing": "chunked",
        "finish_reason": "stop",
        "timings": {
            "dns": 0.001,
            "connect": 0.003,
            "tls": 0.011,
            "request_sent": 0.012,
            "headers": 0.05,
            "first_byte": 0.2,
            "first_event": 0.2,
            "first_chunk": 0.25,
            "first_content": 0.25,
            "last_chunk": 1.75,
            "end": 2.5,
        },
        "uncertainty": 0.00003,
        "duration": 2.5,
        "tail": 0.75,
        "chunks": 3,
        "pings": 0,
        "malformed_events": 0,
        "bytes": 500,
        "arrivals": 5,
        "gap": {"p50": 0.75, "p99": 0.995, "max": 1.0},
        "buffered": False,
        "slo": {"availability": True, "first_chunk": True},
    }


def test_everything_that_can_be_said() -> None:
    """The keys that only some probes have."""
    line = told((0.2, Output("1\n")), (0.4, Failure(Fault.QUOTA, "no", "t", "429")), kind=EndKind.INCOMPLETE)
    head = Head(
        200,
        "text/plain",
        framing=BodyFraming.LENGTH,
        retry_after=7,
        request_ids=(("x-request-id", "abc"),),
    )
    line = replace(line, head=head)
    event = record(
        observed(
            line,
            target=replace(GATEWAY, labels={"team": "search"}),
            location="eu-1",
            peer="10.0.0.7:443",
            ip_family=4,
            connection="reuse",
            retried=True,
            schedule_delay=0.0004,
            tokens=Tokens(20, 41, 3, estimated=True),
            check=CheckResult("count", "missing", 0.63456),
            server_error=ServerError("t", "429", "no"),
            last_words="data: {",
            diagnosis=(Suspicion(Suspect.PROXY_TIMEOUT, "4 of the last 5 cuts came after 60 s"),),
        )
    )
    assert {key: event[key] for key in (
        "labels", "location", "peer", "ip_family", "connection", "retried", "schedule_delay", "tokens", "check",
        "server_error", "last_words", "diagnosis", "content_type_mismatch", "request_ids", "retry_after", "cause",
    )} == {
        "labels": {"team": "search"},
        "location": "eu-1",
        "peer": "10.0.0.7:443",
        "ip_family": 4,
        "connection": "reuse",
        "retried": True,
        "schedule_delay": 0.0004,
        "tokens": {"input": 20, "output": 41, "reasoning": 3, "estimated": True},
        "check": {"kind": "count", "progress": 0.6346},
        "server_error": {"type": "t", "code": "429", "message": "no"},
        "last_words": "data: {",
        "diagnosis": [{"suspect": "proxy_timeout", "because": "4 of the last 5 cuts came after 60 s"}],
        "content_type_mismatch": True,
        "request_ids": {"x-request-id": "abc"},
        "retry_after": 7,
        "cause": "quota",
    }  # fmt: skip


def test_nothing_was_reached() -> None:
    """What does not apply is absent, and never null; what was measured as zero is zero."""
    line = Recorder()
    event = record(observed(ended(line, EndKind.REFUSED, 0.002)))
    assert event.keys() == {
        "event", "schema", "probe_id", "target", "timestamp", "trigger", "monitor_version", "outcome", "cause", "phase",
        "unclean_end", "detail", "protocol", "model", "url", "connection", "timings", "uncertainty", "duration",
        "chunks", "pings", "malformed_events", "bytes", "arrivals", "buffered", "slo",
    }  # fmt: skip
    assert (event["timings"], event["chunks"], event["duration"]) == ({"end": 0.002}, 0, 0.002)
    assert event["slo"] == {"availability": False, "first_chunk": False}


def test_an_unclean_end_has_its_cause() -> None:
    """Complete for the user, and sick for the operator."""
    event = record(observed(told(*WHOLE, kind=EndKind.RESET)))
    assert (event["outcome"], event["unclean_end"], event["unclean_cause"]) == ("ok", True, "reset")


@pytest.mark.parametrize("kind", [EndKind.RESOURCES, EndKind.ABORTED])
def test_what_was_our_own_touches_no_objective(kind: EndKind) -> None:
    """A probe that says nothing of the target is neither good nor bad."""
    assert "slo" not in record(observed(told(*WHOLE, kind=kind)))


def test_the_timeline_where_it_is_asked_for() -> None:
    """Arrivals with their place and size in the payload, events with their kind."""
    line = told((0.2, Meta(choice=0)), (0.25, Output("1\n")), (0.5, Malformed("x")))
    assert record(observed(line), timeline=True)["timeline"] == {
        "arrivals": [[0.2, 0.00003, 0, 100], [0.25, 0.00003, 100, 100], [0.5, 0.00003, 200, 100]],
        "events": [[0.2, 0.00003, "meta", 100], [0.25, 0.00003, "output", 200], [0.5, 0.00003, "malformed", 300]],
    }
    assert "timeline" not in record(observed(line))


def test_an_event_is_json_without_secrets() -> None:
    """The record is plain data, and neither it nor a repr of its parts shows what is in the URL."""
    seen = observed(
        told(*WHOLE), target=replace(GATEWAY, api_key=Secret("canary-key"), headers={"A": Secret("canary-h")})
    )
    text = json.dumps(record(seen, timeline=True), allow_nan=False) + repr(seen)
    assert "canary" not in text


def test_partial_words() -> None:
    """Of a check without progress and of an error without words nothing empty is left."""
    line = told((0.2, Output("x")), (0.3, Finish("stop")))
    event = record(observed(line, check=CheckResult("pattern", "pattern"), server_error=ServerError()))
    assert event["check"] == {"kind": "pattern"}
    assert "server_error" not in event


# -- what it comes to --------------------------------------------------------------------------------------------------

REQUIRED, OPTIONAL = CountCheck(3, required=True), CountCheck(3, required=False)
FAILED = CheckResult("count", "missing", 0.4)
AVAILABLE: dict[str, tuple[Recording, CheckResult | None, CountCheck | None, bool]] = {
    "ok": (told(*WHOLE), None, None, True),
    "unverified": (told(*WHOLE, rule=NO_END), None, None, True),
    "cut": (told(*WHOLE[:-1]), None, None, False),
    "wrong content": (told(*WHOLE), FAILED, CountCheck(3), True),
    "wrong content, and the check is required": (told(*WHOLE), FAILED, REQUIRED, False),
    "wrong content without an end": (told(*WHOLE, rule=NO_END), FAILED, CountCheck(3), False),
    "wrong content without an end, and the check is not required": (told(*WHOLE, rule=NO_END), FAILED, OPTIONAL, True),
    "wrong content of no check": (told(*WHOLE), FAILED, None, True),
}


@pytest.mark.parametrize(("line", "found", "check", "good"), AVAILABLE.values(), ids=AVAILABLE.keys())
def test_availability(line: Recording, found: CheckResult | None, check: CountCheck | None, good: bool) -> None:
    """Complete answers are available, wrong ones unless the check is required, as it is where no end is declared."""
    seen = observed(line, check=found, target=replace(GATEWAY, check=check))
    assert (seen.available, seen.failed) == (good, not good)


@pytest.mark.parametrize(("at", "good"), [(1.99, True), (2.0, True), (2.01, False), (None, False)])
def test_the_first_chunk_is_in_time(at: float | None, good: bool) -> None:
    """At the threshold is in time; not reached is not."""
    assert observed(told(*([(at, Output("x"))] if at else []))).first_chunk_good is good


def test_duration_and_tail() -> None:
    """Where something was not reached there is no such time."""
    whole, bare = observed(told(*WHOLE)), Recorder()
    bare.ending = Ending(EndKind.INTERNAL, 0.0)
    assert (whole.duration, whole.tail) == (2.5, 0.75)
    seen = observed(bare.finish())
    assert (seen.duration, seen.tail) == (0.0, None)
    assert observed(told()).tail is None


def test_a_chunk_behind_the_end_leaves_no_negative_tail() -> None:
    """Where the transport's end is older than the last chunk, the tail is zero."""
    line = told((0.2, Output("x")))
    assert observed(replace(line, marks={**line.marks, Mark.END: 0.1})).tail == 0.0


RATES: dict[str, tuple[list[tuple[float, Event]], Tokens | None, float | None]] = {
    "three tokens in a second": ([(1.0, Output("a")), (2.0, Output("b"))], Tokens(1, 3), 2.0),
    "not counted": ([(1.0, Output("a")), (2.0, Output("b"))], None, None),
    "one token": ([(1.0, Output("a")), (2.0, Output("b"))], Tokens(1, 1), None),
    "in no time": ([(1.0, Output("a"))], Tokens(1, 3), None),
    "no output": ([(1.0, Meta(usage=Usage(1, 3)))], Tokens(1, 3), None),
}


@pytest.mark.parametrize(("events", "tokens", "rate"), RATES.values(), ids=RATES.keys())
def test_output_rate(events: list[tuple[float, Event]], tokens: Tokens | None, rate: float | None) -> None:
    """Tokens after the first, by the time from the first chunk to the last; None where that says nothing."""
    assert observed(told(*events), tokens=tokens).output_rate == rate


def test_steps() -> None:
    """Each step lasts from the one before; what was not reached has none, and no step lasts less than nothing."""
    assert {name: round(seconds, 6) for name, seconds in observed(told(*WHOLE)).steps.items()} == {
        "dns": 0.001,
        "connect": 0.002,
        "tls": 0.008,
        "request": 0.001,
        "headers": 0.038,
        "first_chunk": 0.2,
        "stream": 1.5,
    }
    line = Recorder()
    line.mark(Mark.CONNECT, 0.5)
    line.mark(Mark.REQUEST_SENT, 0.4)
    line.mark(Mark.HEADERS, 0.7)
    assert observed(ended(line, EndKind.CLOSED, 0.8)).steps == {
        "connect": 0.5,
        "request": 0.0,
        "headers": pytest.approx(0.2),
    }


# -- addresses and gaps ------------------------------------------------------------------------------------------------

URLS = {
    "plain": ("https://host/v1/chat", "https://host/v1/chat", "host"),
    "a port": ("http://host:8000/v1", "http://host:8000/v1", "host:8000"),
    "user-info": ("https://user:word@host/v1", "https://host/v1", "host"),
    "user-info with an @": ("https://u@x:p@ss@host/v1", "https://host/v1", "host"),
    "a query": ("https://host/v1?key=abc&alt=sse", "https://host/v1?key=***&alt=***", "host"),
    "a query without names": ("https://host/v1?secret&b=", "https://host/v1?***&b=***", "host"),
    "a value with =": ("https://host/v1?key=a=b", "https://host/v1?key=***", "host"),
    "empty pairs": ("https://host/v1?&a=1&", "https://host/v1?a=***", "host"),
    "a fragment": ("https://host/v1#secret", "https://host/v1", "host"),
    "IPv6": ("http://[::1]:8000/v1", "http://[::1]:8000/v1", "[::1]:8000"),
}


@pytest.mark.parametrize(("url", "public", "host"), URLS.values(), ids=URLS.keys())
def test_what_is_shown_of_a_url(url: str, public: str, host: str) -> None:
    """User-info, query values and fragments are left out."""
    assert (public_url(url), host_of(url)) == (public, host)


GAPS: dict[str, tuple[list[float], dict[str, float] | None]] = {
    "none": ([], None),
    "one": ([0.5], {"p50": 0.5, "p99": 0.5, "max": 0.5}),
    "two": ([0.1, 0.2], {"p50": 0.15, "p99": 0.199, "max": 0.2}),
    "a hundred and one": ([n / 100 for n in range(101)], {"p50": 0.5, "p99": 0.99, "max": 1.0}),
    "rounded to microseconds": ([0.123456789], {"p50": 0.123457, "p99": 0.123457, "max": 0.123457}),
}


@pytest.mark.parametrize(("gaps", "summary"), GAPS.values(), ids=GAPS.keys())
def test_gaps(gaps: list[float], summary: dict[str, float] | None) -> None:
    """Half of all, nearly all, and the longest."""
    assert gap_summary(gaps) == summary
