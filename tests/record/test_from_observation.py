"""The event that is made of an observation: every key of the contract, and none that does not apply."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from monitor import __version__
from monitor.judge.content_check import CheckResult
from monitor.keys.secret import Secret
from monitor.record.from_observation import event_of
from monitor.record.parts import ServerError, Suspect, Suspicion, Tokens
from monitor.stream.endings import BodyFraming, EndKind, Head
from monitor.stream.events import Failure, Fault, Finish, Malformed, Meta, Output
from monitor.stream.recorder import Recorder
from monitor.stream.thinning import thinned
from tests.record.observed import GATEWAY, WHOLE, observed, recorded
from tests.records import record
from tests.sinks.samples import end


def test_a_whole_stream() -> None:
    """The record of a good probe, to the last key."""
    assert record(observed(recorded(*WHOLE))) == {
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
        "http_version": "1.1",
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
        "uncertainties": {
            "dns": 0.0,
            "connect": 0.0,
            "tls": 0.0,
            "request_sent": 0.0,
            "headers": 0.0,
            "first_byte": 0.00003,
            "first_event": 0.00003,
            "first_chunk": 0.00003,
            "first_content": 0.00003,
            "last_chunk": 0.00003,
            "end": 0.0,
            "duration": 0.0,
            "tail": 0.00003,
            "gap": 0.00006,
        },
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


def test_keys_that_only_some_probes_have() -> None:
    """The keys that only some probes have."""
    line = recorded((0.2, Output("1\n")), (0.4, Failure(Fault.QUOTA, "no", "t", "429")), kind=EndKind.INCOMPLETE)
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
    """A key that does not apply is absent, never null; a measured zero is zero."""
    line = Recorder()
    event = record(observed(end(line, EndKind.REFUSED, 0.002)))
    assert event.keys() == {
        "event", "schema", "probe_id", "target", "timestamp", "trigger", "monitor_version", "outcome", "cause", "phase",
        "unclean_end", "detail", "protocol", "model", "url", "connection", "timings", "uncertainty", "duration",
        "chunks", "pings", "malformed_events", "bytes", "arrivals", "buffered", "slo",
        "uncertainties",
    }  # fmt: skip
    assert (event["timings"], event["chunks"], event["duration"]) == ({"end": 0.002}, 0, 0.002)
    assert event["slo"] == {"availability": False, "first_chunk": False}


def test_an_unclean_end_has_its_cause() -> None:
    """Complete for the user, and sick for the operator."""
    event = record(observed(recorded(*WHOLE, kind=EndKind.RESET)))
    assert (event["outcome"], event["unclean_end"], event["unclean_cause"]) == ("ok", True, "reset")


@pytest.mark.parametrize("kind", [EndKind.RESOURCES, EndKind.ABORTED])
def test_what_was_our_own_touches_no_objective(kind: EndKind) -> None:
    """A probe that says nothing of the target is neither good nor bad."""
    assert "slo" not in record(observed(recorded(*WHOLE, kind=kind)))


def test_the_timeline_where_it_is_asked_for() -> None:
    """Arrivals with their place and size in the payload, events with their kind."""
    line = recorded((0.2, Meta(choice=0)), (0.25, Output("1\n")), (0.5, Malformed("x")))
    assert record(observed(line), timeline=True)["timeline"] == {
        "arrivals": [[0.2, 0.00003, 0, 100], [0.25, 0.00003, 100, 100], [0.5, 0.00003, 200, 100]],
        "events": [[0.2, 0.00003, "meta", 100], [0.25, 0.00003, "output", 200], [0.5, 0.00003, "malformed", 300]],
    }
    assert "timeline" not in record(observed(line))


def test_an_event_is_json_without_secrets() -> None:
    """The record is plain data, and neither it nor a repr of its parts shows what is in the URL."""
    observation = observed(
        recorded(*WHOLE), target=replace(GATEWAY, api_key=Secret("canary-key"), headers={"A": Secret("canary-h")})
    )
    text = json.dumps(record(observation, timeline=True), allow_nan=False) + repr(observation)
    assert "canary" not in text


def test_partial_words() -> None:
    """A check without progress has no empty keys."""
    line = recorded((0.2, Output("x")), (0.3, Finish("stop")))
    assert record(observed(line, check=CheckResult("pattern", "pattern")))["check"] == {"kind": "pattern"}


def test_gaps_are_rounded_to_microseconds() -> None:
    """Median, 99th percentile and longest; without a second output there are none."""
    assert record(observed(recorded((0.1, Output("x")), (0.223456789, Output("y")))))["gap"] == {
        "p50": 0.123457, "p99": 0.123457, "max": 0.123457,
    }  # fmt: skip
    assert "gap" not in record(observed(recorded((0.1, Output("x")))))


def test_a_thinned_recording_says_what_is_omitted() -> None:
    """All figures are those of the whole stream; the timeline counts the rows that it lacks."""
    whole = observed(recorded(*[(0.1 + number / 10, Output("four")) for number in range(500)]))
    small = replace(whole, recording=thinned(whole.recording, 2000))
    of_small, of_all = record(small, timeline=True), record(whole, timeline=True)
    timeline, every = of_small.pop("timeline"), of_all.pop("timeline")
    assert of_small == of_all
    for name in ("arrivals", "events"):
        assert 16 <= len(timeline[name]) < 60
        assert len(timeline[name]) + timeline[f"omitted_{name}"] == len(every[name])
    read = event_of(small, timeline=True).timeline
    assert read
    assert read.thinned
    assert sum(size for *_, size in timeline["arrivals"]) == whole.recording.bytes
