"""The verdict table, row by row and in its order: recordings and their verdicts."""

from __future__ import annotations

from itertools import combinations
from typing import Any, NamedTuple

import pytest

from monitor.judge.content_check import CheckResult
from monitor.judge.explanations import MEANINGS
from monitor.judge.verdict import (
    ARRIVED,
    CAUSES,
    EVERYWHERE,
    MISSING,
    TRUNCATED,
    UNDECLARED,
    Outcome,
    Phase,
    Unclean,
    Verdict,
    judge,
)
from monitor.stream.endings import Head
from monitor.stream.events import (
    Event,
    Failure,
    Fault,
    Finish,
    Meta,
    Output,
    Part,
    Stop,
    Usage,
)
from monitor.stream.recording import EndRule, Recording
from monitor.target import Terminator
from tests.judge.streams import (
    ABORT,
    BAD,
    BEGUN,
    BROKEN,
    CHECKSUM,
    CLEAN,
    DONE,
    END,
    FIN,
    GAP,
    HALF,
    IDLE,
    LATE,
    LIMIT,
    MARKED,
    MORE,
    NONE,
    OPEN,
    PASSED,
    PING,
    ROLE,
    RST,
    SLOW,
    SSE,
    STOP,
    TEXT,
    UNTERMINATED,
    end,
    headless,
    status,
    stream,
    typed,
    wrong,
)


class Row(NamedTuple):
    """One line of the table.

    `comes_to` is outcome, cause, phase, unclean, and A where the stream was accepted, T where it counts as truncated.
    """

    what: str
    recording: Recording
    comes_to: str
    check: CheckResult | None = None
    max_tokens: int = 400


OWN = (
    Row("no descriptors left", headless(end("resources")), "inconclusive resources connect - -"),
    Row("no memory in the stream", stream(TEXT, ended=end("resources")), "inconclusive resources stream - -"),
    Row("a bug", stream(TEXT, ended=end("internal", "ZeroDivisionError")), "inconclusive internal stream - -"),
    Row("a bug after the end", stream(TEXT, STOP, ended=end("internal")), "inconclusive internal end - -"),
    Row("shut down", stream(TEXT, ended=end("aborted", "shutdown")), "aborted shutdown stream - -"),
    Row("shut down while connecting", headless(end("aborted", "shutdown")), "aborted shutdown connect - -"),
    Row("shut down after the end", stream(TEXT, STOP, ended=end("aborted", "shutdown")), "aborted shutdown end - -"),
    Row(
        "shut down after the end, inside an event",
        stream(TEXT, STOP, HALF, ended=end("aborted", "shutdown")),
        "aborted shutdown end - -",
    ),
    Row("reloaded", stream(ended=end("aborted", "reload")), "aborted reload first_event - -"),
    Row("who asked has left", stream(ROLE, ended=end("aborted", "client")), "aborted client first_chunk - -"),
    Row("stopped for no reason of ours", stream(ended=end("aborted")), "aborted client first_event - -"),
)

CONNECTION = (
    Row("no such name", headless(end("dns")), "unreachable dns connect - -"),
    Row("refused", headless(end("refused")), "unreachable refused connect - -"),
    Row("no route", headless(end("network")), "unreachable network connect - -"),
    Row("a bad certificate", headless(end("tls_certificate")), "unreachable tls_certificate connect - -"),
    Row("no TLS there", headless(end("tls_handshake")), "unreachable tls_handshake connect - -"),
    Row("the proxy refuses", headless(end("proxy")), "unreachable proxy connect - -"),
    Row("denied by our rule", headless(end("policy")), "unreachable policy connect - -"),
    Row("no connection in time", headless(end("deadline", "5s", "connect")), "timeout connect connect - -"),
    Row(
        "no handshake in time",
        headless(end("deadline", "5s", "connect"), connected=True),
        "timeout connect connect - -",
    ),
)

HEAD = (
    Row("closed at once", headless(end("closed"), connected=True), "no_response closed request - -"),
    Row("closed", headless(end("closed"), connected=True, sent=True), "no_response closed headers - -"),
    Row("reset", headless(RST, connected=True, sent=True), "no_response reset headers - -"),
    Row(
        "half a head", headless(end("partial_head"), connected=True, sent=True), "no_response partial_head headers - -"
    ),
    Row(
        "no HTTP", headless(end("malformed_head"), connected=True, sent=True), "bad_response malformed_head headers - -"
    ),
    Row(
        "no head in time",
        headless(end("deadline", "30s", "headers"), connected=True, sent=True),
        "timeout headers headers - -",
    ),
    Row(
        "no head before the first chunk is due",
        headless(LATE, connected=True, sent=True),
        "timeout first_chunk headers - -",
    ),
    Row("no head in the whole time", headless(SLOW, connected=True, sent=True), "timeout total headers - -"),
    Row("400", status(400), "http_error rejected headers - -"),
    Row("401", status(401), "http_error auth headers - -"),
    Row("402", status(402), "http_error quota headers - -"),
    Row("403", status(403), "http_error auth headers - -"),
    Row("404", status(404), "http_error not_found headers - -"),
    Row("407", status(407), "http_error rejected headers - -"),
    Row("408", status(408), "http_error rejected headers - -"),
    Row("410", status(410), "http_error not_found headers - -"),
    Row("413", status(413), "http_error rejected headers - -"),
    Row("418", status(418), "http_error rejected headers - -"),
    Row("422", status(422), "http_error rejected headers - -"),
    Row("429", status(429, retry_after=7), "http_error rate_limited headers - -"),
    Row("500", status(500), "http_error server headers - -"),
    Row("502", status(502), "http_error server headers - -"),
    Row("503", status(503), "http_error overloaded headers - -"),
    Row("504", status(504), "http_error server headers - -"),
    Row("529", status(529), "http_error overloaded headers - -"),
    Row("599", status(599), "http_error server headers - -"),
    Row("101", status(101), "http_error rejected headers - -"),
    Row("301", status(301), "http_error redirect headers - -"),
    Row("300", status(300), "http_error redirect headers - -"),
    Row("399", status(399), "http_error redirect headers - -"),
    Row("199", status(199), "http_error rejected headers - -"),
    Row("200 with a type of its own", stream(TEXT, STOP, head=Head(200, SSE[0])), "ok - end - A"),
    Row("299", stream(TEXT, STOP, head=Head(299, SSE[0])), "ok - end - A"),
    Row("299 without its end", stream(head=Head(299, SSE[0])), "truncated no_terminator first_event - AT"),
    Row("200 without its end", stream(head=Head(200, SSE[0])), "truncated no_terminator first_event - AT"),
    Row("304 without a body", status(304, empty=True), "http_error redirect headers - -"),
    Row("600", status(600), "http_error rejected headers - -"),
    Row("an error whose body is reset", status(500, ended=RST), "http_error server headers - -"),
    Row("gzip", status(200, encoding="gzip"), "bad_response encoding headers - -"),
    Row("identity is none", stream(TEXT, STOP, head=Head(200, SSE[0], "identity")), "ok - end - A"),
    Row("a page", typed("text/html", BAD), "bad_response content_type first_chunk - -"),
    Row("JSON", typed("application/json", BAD), "bad_response content_type first_chunk - -"),
    Row("JSON, cut", typed("application/json", BAD, ended=FIN), "bad_response content_type first_chunk - -"),
    Row("no type, nothing", typed(""), "bad_response content_type first_event - -"),
    Row("another type, only pings", typed("text/plain", PING), "bad_response content_type first_event - -"),
    Row("another type that decodes", typed("text/plain", TEXT, STOP), "ok - end - A"),
    Row("no type, but it decodes", typed("", TEXT, STOP), "ok - end - A"),
    Row(
        "another type that decodes, cut", typed("text/plain", TEXT, ended=FIN), "truncated incomplete_body stream - AT"
    ),
    Row("another type, an error", typed("application/json", Failure(Fault.AUTH)), "stream_error auth first_chunk - AT"),
    Row("204", status(204, empty=True), "empty no_body headers - -"),
    Row("200 and no body", status(200, empty=True), "empty no_body headers - -"),
)

FAILED = (
    Row("a line of 8 MB", stream(TEXT, ended=end("too_large", "x")), "bad_response too_large stream - A"),
    Row("8 MB of nothing", stream(ended=end("too_large", "x")), "bad_response too_large first_event - A"),
    Row("too large after the end", stream(TEXT, STOP, ended=end("too_large", "x")), "ok - end trailing A"),
    Row("overloaded", stream(Failure(Fault.OVERLOADED)), "stream_error overloaded first_chunk - AT"),
    Row("rate limited", stream(Failure(Fault.RATE_LIMITED)), "stream_error rate_limited first_chunk - AT"),
    Row("quota", stream(TEXT, Failure(Fault.QUOTA)), "stream_error quota stream - AT"),
    Row("context", stream(Failure(Fault.CONTEXT_LENGTH)), "stream_error context_length first_chunk - AT"),
    Row("auth", stream(ROLE, Failure(Fault.AUTH)), "stream_error auth first_chunk - AT"),
    Row("not found", stream(Failure(Fault.NOT_FOUND)), "stream_error not_found first_chunk - AT"),
    Row("upstream", stream(TEXT, Failure(Fault.UPSTREAM)), "stream_error upstream stream - AT"),
    Row("another error", stream(TEXT, Failure(Fault.OTHER)), "stream_error other stream - AT"),
    Row(
        "an error, then the marker",
        stream(Failure(Fault.OTHER), DONE, rule=MARKED),
        "stream_error other first_chunk - AT",
    ),
    Row("an error, then a cut", stream(TEXT, Failure(Fault.OTHER), ended=FIN), "stream_error other stream - AT"),
    Row(
        "the end, an error, the marker",
        stream(TEXT, STOP, Failure(Fault.OTHER), DONE, rule=MARKED),
        "stream_error other end - AT",
    ),
    Row("the end, then an error", stream(TEXT, STOP, Failure(Fault.OTHER)), "ok - end - A"),
    Row(
        "an error, and a passed check",
        stream(TEXT, Failure(Fault.OTHER), rule=NONE),
        "stream_error other stream - AT",
        PASSED,
    ),
    Row("abort", stream(TEXT, ABORT), "truncated server_abort end - AT"),
    Row("abort and the marker", stream(TEXT, ABORT, DONE, rule=MARKED), "truncated server_abort end - AT"),
    Row("abort without output", stream(ABORT), "truncated server_abort end - AT"),
    Row("filtered", stream(TEXT, Finish("content_filter", Stop.CONTENT_FILTER)), "filtered content_filter end - A"),
    Row("refused", stream(Output("no", Part.REFUSAL), STOP), "filtered refusal end - A"),
    Row("refused by its reason", stream(Finish("refusal", Stop.REFUSAL)), "filtered refusal end - A"),
    Row("refused and cut", stream(Output("no", Part.REFUSAL), ended=FIN), "filtered refusal stream - A"),
    Row("the prompt is blocked", stream(Meta(stop=Stop.PROMPT_BLOCKED)), "filtered prompt_blocked first_chunk - A"),
)

ENDED = (
    Row("whole", stream(TEXT, STOP), "ok - end - A"),
    Row("whole with a marker", stream(TEXT, STOP, DONE, rule=MARKED), "ok - end - A"),
    Row("whole without its marker", stream(TEXT, STOP, rule=MARKED), "ok - end - A"),
    Row("whole and right", stream(TEXT, STOP), "ok - end - A", PASSED),
    Row("whole, reasoning only", stream(Output("hm", Part.REASONING), STOP), "ok - end - A"),
    Row("whole, then FIN", stream(TEXT, STOP, ended=FIN), "ok - end incomplete_body A"),
    Row("whole, then RST", stream(TEXT, STOP, ended=RST), "ok - end reset A"),
    Row("whole, then bad framing", stream(TEXT, STOP, ended=BROKEN), "ok - end trailing A"),
    Row("whole, then half an event", stream(TEXT, STOP, HALF), "ok - end mid_event A"),
    Row("whole, without its line end", stream(TEXT, STOP, UNTERMINATED), "ok - end mid_event A"),
    Row("whole, then an open socket", stream(TEXT, STOP, ended=OPEN), "ok - end left_open A"),
    Row("whole, then the total", stream(TEXT, STOP, ended=SLOW), "ok - end left_open A"),
    Row("whole, then output after the marker", stream(TEXT, STOP, DONE, TEXT, rule=MARKED), "ok - end trailing A"),
    Row("whole, then a bare marker that nobody declared", stream(TEXT, STOP, DONE), "ok - end - A"),
    Row("whole, then a broken checksum", stream(TEXT, STOP, CHECKSUM), "ok - end trailing A"),
    Row("an end on every chunk", stream(TEXT, STOP, TEXT, STOP), "ok - end - A"),
    Row(
        "an end on every chunk, and the marker",
        stream(TEXT, STOP, TEXT, STOP, DONE, ended=OPEN, rule=MARKED),
        "ok - end left_open A",
    ),
    Row(
        "an error after the last of several ends", stream(TEXT, STOP, TEXT, STOP, Failure(Fault.QUOTA)), "ok - end - A"
    ),
    Row("whole, then garbage", stream(TEXT, STOP, BAD), "ok - end trailing A"),
    Row(
        "whole, then bytes behind the body",
        stream(TEXT, STOP, ended=MORE),
        "ok - end trailing A",
    ),
    Row("the wire comes before the tail", stream(TEXT, STOP, HALF, ended=RST), "ok - end reset A"),
    Row("an event lost", stream(*GAP, TEXT, STOP), "bad_response sequence_gap end - A"),
    Row("an event that does not decode", stream(TEXT, BAD, TEXT, STOP), "bad_response malformed_event end - A"),
    Row(
        "the same, and unclean",
        stream(TEXT, BAD, STOP, ended=FIN),
        "bad_response malformed_event end incomplete_body A",
    ),
    Row("garbage before the marker", stream(TEXT, STOP, BAD, DONE, rule=MARKED), "ok - end trailing A"),
    Row(
        "garbage before a marker that is required",
        stream(TEXT, STOP, BAD, DONE, rule=EndRule(Terminator.BOTH, declares_marker=True)),
        "bad_response malformed_event end - A",
    ),
    Row("an event lost, and a passed check", stream(*GAP, TEXT, STOP), "ok - end - A", PASSED),
    Row("an event lost, and a failed check", stream(*GAP, TEXT, STOP), "bad_response sequence_gap end - A", BEGUN),
    Row("an event lost of nothing", stream(*GAP, STOP), "bad_response sequence_gap end - A", PASSED),
    Row("an end without output", stream(ROLE, STOP), "empty no_output end - A"),
    Row("an end alone", stream(STOP, DONE, rule=MARKED), "empty no_output end - A"),
    Row("a limit and no check", stream(TEXT, LIMIT), "ok - end - A"),
    Row("a limit and a passed check", stream(TEXT, LIMIT), "ok - end - A", PASSED),
    Row("a limit below ours", stream(TEXT, LIMIT), "truncated token_limit end - AT", BEGUN),
    Row(
        "a limit below ours, counted",
        stream(TEXT, Meta(usage=Usage(9, 399)), LIMIT),
        "truncated token_limit end - AT",
        BEGUN,
    ),
    Row(
        "our own limit, counted",
        stream(TEXT, Meta(usage=Usage(9, 400)), LIMIT),
        "wrong_content token_limit end - A",
        BEGUN,
    ),
    Row("our own limit, in chunks", stream(*[TEXT] * 9, LIMIT), "wrong_content token_limit end - A", BEGUN, 10),
    Row(
        "our own limit, in characters", stream(Output("x" * 27), LIMIT), "wrong_content token_limit end - A", BEGUN, 10
    ),
    Row("not quite our limit", stream(*[TEXT] * 8, LIMIT), "truncated token_limit end - AT", BEGUN, 10),
    Row("a whole answer, but begun", stream(TEXT, STOP), "wrong_content missing end - A", BEGUN),
    Row("repeated", stream(TEXT, STOP), "wrong_content duplicated end - A", wrong("duplicated")),
    Row("reordered", stream(TEXT, STOP), "wrong_content out_of_order end - A", wrong("out_of_order")),
    Row("lost", stream(TEXT, STOP), "wrong_content missing end - A", wrong("missing")),
    Row("short", stream(TEXT, STOP), "wrong_content too_short end - A", wrong("too_short")),
    Row("another answer", stream(TEXT, STOP), "wrong_content pattern end - A", wrong("pattern")),
    Row(
        "lost and unclean",
        stream(TEXT, STOP, ended=FIN),
        "wrong_content missing end incomplete_body A",
        wrong("missing"),
    ),
)

CUT = (
    Row("FIN in the body", stream(TEXT, ended=FIN), "truncated incomplete_body stream - AT"),
    Row("FIN before anything", stream(ended=FIN), "truncated incomplete_body first_event - AT"),
    Row("FIN after the role", stream(ROLE, ended=FIN), "truncated incomplete_body first_chunk - AT"),
    Row("FIN after a ping", stream(PING, ended=FIN), "truncated incomplete_body first_event - AT"),
    Row("FIN in an event", stream(TEXT, HALF, ended=FIN), "truncated incomplete_body stream - AT"),
    Row("RST in the body", stream(TEXT, ended=RST), "truncated reset stream - AT"),
    Row("bad framing", stream(TEXT, ended=BROKEN), "truncated malformed_body stream - AT"),
    Row("bad framing at once", stream(ended=BROKEN), "truncated malformed_body first_event - AT"),
    Row("a clean end without the end", stream(TEXT), "truncated no_terminator stream - AT"),
    Row("with zero bytes", stream(), "truncated no_terminator first_event - AT"),
    Row("with pings", stream(PING, PING), "truncated no_terminator first_event - AT"),
    Row("with a role", stream(ROLE), "truncated no_terminator first_chunk - AT"),
    Row("with usage", stream(TEXT, Meta(usage=Usage(1, 1))), "truncated no_terminator stream - AT"),
    Row("with a bare marker", stream(DONE, rule=MARKED), "truncated no_terminator first_chunk - AT"),
    Row("with output and a marker", stream(TEXT, DONE, rule=MARKED), "truncated no_terminator stream - AT"),
    Row(
        "with one choice ended of two",
        stream(TEXT, Output("x", choice=1), STOP, rule=EndRule(choices=2)),
        "truncated no_terminator stream - AT",
    ),
    Row("with a passed check", stream(TEXT), "truncated no_terminator stream - AT", PASSED),
    Row("with a failed check", stream(TEXT), "truncated no_terminator stream - AT", wrong("missing")),
    Row("with an event that does not decode", stream(TEXT, BAD), "truncated no_terminator stream - AT"),
    Row("with a lost event", stream(*GAP, TEXT), "truncated no_terminator stream - AT"),
    Row("without the last line end", stream(TEXT, UNTERMINATED), "truncated no_terminator stream - AT"),
    Row(
        "without the marker that is asked for",
        stream(TEXT, STOP, rule=EndRule(Terminator.BOTH, declares_marker=True)),
        "truncated no_terminator stream - AT",
    ),
    Row(
        "a limit, and no end of all choices",
        stream(TEXT, Meta(choice=1), LIMIT, rule=EndRule(choices=2)),
        "truncated no_terminator stream - AT",
        BEGUN,
    ),
    Row("an end taken back", stream(TEXT, STOP, TEXT), "truncated no_terminator stream - AT"),
    Row(
        "an end taken back, and the marker",
        stream(TEXT, STOP, TEXT, DONE, rule=MARKED),
        "truncated no_terminator stream - AT",
    ),
    Row(
        "an end on every chunk, cut", stream(TEXT, STOP, TEXT, STOP, ended=FIN), "truncated incomplete_body stream - AT"
    ),
    Row(
        "an end on every chunk, inside an event",
        stream(TEXT, STOP, TEXT, STOP, HALF),
        "truncated mid_event stream - AT",
    ),
    Row("an end on every chunk, silence", stream(TEXT, STOP, TEXT, STOP, ended=IDLE), "stalled no_output stream - AT"),
    Row("an end on every chunk, too slow", stream(TEXT, STOP, TEXT, STOP, ended=SLOW), "timeout total stream - AT"),
    Row(
        "an end on every chunk, too large",
        stream(TEXT, STOP, TEXT, STOP, ended=end("too_large")),
        "bad_response too_large stream - A",
    ),
    Row(
        "an end on every chunk, an error, cut",
        stream(TEXT, STOP, TEXT, STOP, Failure(Fault.QUOTA), ended=FIN),
        "stream_error quota stream - AT",
    ),
    Row("a broken checksum", stream(TEXT, CHECKSUM), "truncated malformed_body stream - AT"),
    Row(
        "a broken checksum, and then more than the limits let through",
        stream(TEXT, CHECKSUM, ended=end("too_large")),
        "truncated malformed_body stream - AT",
    ),
    Row("a broken checksum, and then reset", stream(TEXT, CHECKSUM, ended=RST), "truncated malformed_body stream - AT"),
    Row("inside an event", stream(TEXT, HALF), "truncated mid_event stream - AT"),
    Row("inside the first event", stream(HALF), "truncated mid_event first_event - AT"),
    Row("silence", stream(TEXT, ended=IDLE), "stalled silent stream - AT"),
    Row("pings", stream(TEXT, PING, ended=IDLE), "stalled no_output stream - AT"),
    Row("roles", stream(TEXT, ROLE, ended=IDLE), "stalled no_output stream - AT"),
    Row("half an event, and silence", stream(TEXT, HALF, ended=IDLE), "stalled no_output stream - AT"),
    Row("bytes of no event", stream(TEXT, more=1, ended=IDLE), "stalled no_output stream - AT"),
    Row("no output in time", stream(ended=LATE), "timeout first_chunk first_event - AT"),
    Row("a role and no output in time", stream(ROLE, PING, ended=LATE), "timeout first_chunk first_chunk - AT"),
    Row("no end in time", stream(TEXT, ended=SLOW), "timeout total stream - AT"),
    Row("no output in the whole time", stream(ended=SLOW), "timeout total first_event - AT"),
    Row("another protocol", stream(BAD), "bad_response not_protocol first_chunk - A"),
    Row("another protocol, cut", stream(BAD, ended=FIN), "truncated incomplete_body first_chunk - AT"),
    Row("another protocol, half an event", stream(BAD, HALF), "bad_response not_protocol first_chunk - A"),
    Row("another protocol with pings", stream(PING, BAD), "bad_response not_protocol first_chunk - A"),
)

WITHOUT = (
    Row("no check", stream(TEXT, rule=NONE), "unverified - stream - A"),
    Row("without the last line end", stream(TEXT, UNTERMINATED, rule=NONE), "unverified - stream mid_event A"),
    Row("more than was said", stream(TEXT, ended=MORE, rule=NONE), "unverified - stream trailing A"),
    Row(
        "another answer, and more",
        stream(TEXT, ended=MORE, rule=NONE),
        "wrong_content missing stream trailing A",
        wrong("missing"),
    ),
    Row("a beginning, and more", stream(TEXT, ended=MORE, rule=NONE), "truncated incomplete_answer stream - AT", BEGUN),
    Row("a passed check", stream(TEXT, rule=NONE), "ok - end - A", PASSED),
    Row("a passed check, then FIN", stream(TEXT, ended=FIN, rule=NONE), "ok - end incomplete_body A", PASSED),
    Row("a passed check, then RST", stream(TEXT, ended=RST, rule=NONE), "ok - end reset A", PASSED),
    Row("a passed check, then silence", stream(TEXT, ended=IDLE, rule=NONE), "ok - end left_open A", PASSED),
    Row("a passed check, then half an event", stream(TEXT, HALF, rule=NONE), "ok - end mid_event A", PASSED),
    Row("a passed check, and a bad event", stream(TEXT, BAD, rule=NONE), "ok - end - A", PASSED),
    Row(
        "a bad event amid a passed check",
        stream(TEXT, BAD, TEXT, ended=RST, rule=NONE),
        "bad_response malformed_event end reset A",
        PASSED,
    ),
    Row("an event lost, and a passed check", stream(*GAP, TEXT, rule=NONE), "ok - end - A", PASSED),
    Row("a passed check of nothing", stream(rule=NONE), "empty no_output first_event - A", PASSED),
    Row("FIN", stream(TEXT, ended=FIN, rule=NONE), "truncated incomplete_body stream - AT"),
    Row("RST, and a failed check", stream(TEXT, ended=RST, rule=NONE), "truncated reset stream - AT", wrong("missing")),
    Row("bad framing", stream(TEXT, ended=BROKEN, rule=NONE), "truncated malformed_body stream - AT"),
    Row("silence", stream(TEXT, ended=IDLE, rule=NONE), "stalled silent stream - AT"),
    Row("the total", stream(TEXT, ended=SLOW, rule=NONE), "timeout total stream - AT", BEGUN),
    Row("inside an event", stream(TEXT, HALF, rule=NONE), "truncated mid_event stream - AT", BEGUN),
    Row("another protocol", stream(BAD, rule=NONE), "bad_response not_protocol first_chunk - A"),
    Row("another type", typed("application/json", BAD, rule=NONE), "bad_response content_type first_chunk - -"),
    Row("nothing", stream(rule=NONE), "empty no_output first_event - A"),
    Row("documents and no answer", stream(ROLE, rule=NONE), "empty no_output first_chunk - A"),
    Row("a bad event and no answer", stream(ROLE, BAD, rule=NONE), "empty no_output first_chunk - A"),
    Row("a bad event", stream(TEXT, BAD, rule=NONE), "bad_response malformed_event stream - A"),
    Row("a bad event in a beginning", stream(TEXT, BAD, rule=NONE), "bad_response malformed_event stream - A", BEGUN),
    Row("a right beginning", stream(TEXT, rule=NONE), "truncated incomplete_answer stream - AT", BEGUN),
    Row("another answer", stream(TEXT, rule=NONE), "wrong_content missing stream - A", wrong("missing")),
    Row("a repeated piece", stream(TEXT, rule=NONE), "wrong_content duplicated stream - A", wrong("duplicated")),
    Row(
        "a limit below ours",
        stream(TEXT, Meta(stop=Stop.LENGTH), rule=NONE),
        "truncated token_limit stream - AT",
        BEGUN,
    ),
    Row(
        "our own limit",
        stream(TEXT, Meta(usage=Usage(1, 400), stop=Stop.LENGTH), rule=NONE),
        "wrong_content token_limit stream - A",
        wrong("missing"),
    ),
    Row(
        "an end that does not count",
        stream(TEXT, STOP, DONE, rule=EndRule(Terminator.NONE, declares_marker=True)),
        "unverified - stream - A",
    ),
)

ROWS = OWN + CONNECTION + HEAD + FAILED + ENDED + CUT + WITHOUT


def verdict_of(row: Row) -> Verdict:
    """Judge a row as an event stream."""
    return judge(row.recording, row.check, content_types=SSE, max_tokens=row.max_tokens)


def words(verdict: Verdict) -> str:
    """Say a verdict in the words of the table."""
    flags = "A" * verdict.accepted + "T" * verdict.truncated
    parts = (verdict.outcome, verdict.cause, verdict.phase, verdict.unclean, flags)
    return " ".join(str(part) if part else "-" for part in parts)


@pytest.mark.parametrize("row", ROWS, ids=[row.what for row in ROWS])
def test_the_verdict(row: Row) -> None:
    """A recording gives one outcome, cause and phase, and the right flags."""
    assert words(verdict_of(row)) == row.comes_to


# -- the closed sets ---------------------------------------------------------------------------------------------------

PAIRS = {(outcome, cause) for outcome, causes in CAUSES.items() for cause in causes or (None,)}


def test_every_pair_is_reached() -> None:
    """The table above reaches every outcome and cause, and no others."""
    assert len(ROWS) >= 120
    assert {(verdict.outcome, verdict.cause) for verdict in map(verdict_of, ROWS)} == PAIRS


def test_every_phase_and_every_unclean_end_is_reached() -> None:
    """The table above reaches every phase and every unclean end."""
    verdicts = [verdict_of(row) for row in ROWS]
    assert {verdict.phase for verdict in verdicts} == set(Phase)
    assert {verdict.unclean for verdict in verdicts} == {None, *Unclean}


def test_every_row_is_of_the_closed_sets() -> None:
    """Each result of the verdict table is in the contract's closed sets, and has an explanation."""
    reached = {(row.outcome, row.cause) for row in EVERYWHERE + ARRIVED + MISSING + UNDECLARED}
    assert reached == PAIRS == {(Outcome(outcome), cause) for outcome, cause in MEANINGS}


def test_each_table_has_an_answer_for_everything() -> None:
    """The last row of each table applies always."""
    assert [table[-1].cause for table in (ARRIVED, MISSING, UNDECLARED)] == [None, "no_terminator", None]


def test_what_counts_as_truncated() -> None:
    """Truncated, stalled and failed streams, and two of the deadlines."""
    assert {outcome for outcome, _ in TRUNCATED} == {
        Outcome.TRUNCATED,
        Outcome.STALLED,
        Outcome.STREAM_ERROR,
        Outcome.TIMEOUT,
    }
    assert {cause for outcome, cause in TRUNCATED if outcome is Outcome.TIMEOUT} == {"first_chunk", "total"}
    assert len(TRUNCATED) == 8 + 2 + 8 + 2


def test_unclean_says_something_only_of_what_arrived() -> None:
    """An end is unclean only if the end arrived and the stream was judged as complete."""
    unclean = [verdict for verdict in map(verdict_of, ROWS) if verdict.unclean]
    assert all(it.phase is Phase.END or it.outcome in {Outcome.UNVERIFIED, Outcome.WRONG_CONTENT} for it in unclean)


@pytest.mark.parametrize(
    ("content_type", "types", "events", "flagged"),
    [
        ("text/event-stream", SSE, [TEXT, STOP], False),
        ("text/plain", SSE, [TEXT, STOP], True),
        ("text/plain", SSE, [TEXT], True),
        ("text/html", SSE, [BAD], False),
        ("text/plain", (), [TEXT, STOP], False),
    ],
)
def test_a_wrong_type_is_flagged_where_it_decodes(
    content_type: str, types: tuple[str, ...], events: list[Event], flagged: bool
) -> None:
    """A stream of another content type is judged and flagged; if nothing decodes, the type is the cause."""
    assert judge(typed(content_type, *events), content_types=types).content_type_mismatch is flagged


# -- precedence --------------------------------------------------------------------------------------------------------

Facts = dict[str, Any]
"""What is known of one stream; two that contradict each other cannot both be."""

CHECKS = {"missing": wrong("missing"), "begun": BEGUN}

ANYWHERE: tuple[tuple[str, Facts], ...] = (
    ("inconclusive resources", {"ending": end("resources")}),
    ("inconclusive internal", {"ending": end("internal")}),
    ("aborted shutdown", {"ending": end("aborted", "shutdown")}),
    ("aborted reload", {"ending": end("aborted", "reload")}),
    ("aborted client", {"ending": end("aborted", "client")}),
    ("unreachable dns", {"head": False, "ending": end("dns")}),
    ("timeout connect", {"head": False, "ending": end("deadline", "", "connect")}),
    ("no_response closed", {"head": False, "ending": end("closed")}),
    ("no_response reset", {"head": False, "ending": RST}),
    ("no_response partial_head", {"head": False, "ending": end("partial_head")}),
    ("bad_response malformed_head", {"head": False, "ending": end("malformed_head")}),
    ("timeout headers", {"head": False, "ending": end("deadline", "", "headers")}),
    ("http_error auth", {"head": True, "status": 401}),
    ("http_error server", {"head": True, "status": 500}),
    ("bad_response encoding", {"head": True, "encoding": "br"}),
    ("bad_response content_type", {"head": True, "type": "text/html", "decoded": False, "empty": False}),
    ("empty no_body", {"head": True, "empty": True}),
    ("bad_response too_large", {"head": True, "ending": end("too_large"), "ended": False}),
    ("stream_error quota", {"head": True, "decoded": True, "failure": True}),
    ("truncated server_abort", {"head": True, "decoded": True, "abort": True}),
    ("filtered content_filter", {"head": True, "decoded": True, "filter": True}),
    ("filtered refusal", {"head": True, "decoded": True, "refusal": True}),
    ("filtered prompt_blocked", {"head": True, "decoded": True, "blocked": True}),
)
WHERE_ARRIVED: tuple[tuple[str, Facts], ...] = (
    ("bad_response sequence_gap", {"decoded": True, "gap": True}),
    ("bad_response malformed_event", {"bad": True}),
    ("empty no_output", {"chunks": False}),
    ("truncated token_limit", {"chunks": True, "decoded": True, "limit": True, "check": "missing", "tokens": 9}),
    ("wrong_content token_limit", {"chunks": True, "decoded": True, "limit": True, "check": "missing", "tokens": 400}),
    ("wrong_content missing", {"chunks": True, "decoded": True, "check": "missing"}),
    ("ok -", {"chunks": True, "decoded": True}),
)
WHERE_NOT: tuple[tuple[str, Facts], ...] = (
    ("truncated malformed_body", {"ending": BROKEN}),
    ("truncated reset", {"ending": RST}),
    ("truncated incomplete_body", {"ending": FIN}),
    ("stalled no_output", {"ending": IDLE, "chunks": True, "decoded": True, "partial": True}),
    ("timeout first_chunk", {"ending": LATE, "chunks": False}),
    ("timeout total", {"ending": SLOW}),
    ("bad_response not_protocol", {"bad": True, "decoded": False, "chunks": False}),
    ("truncated mid_event", {"partial": True}),
    ("truncated no_terminator", {}),
)
WHERE_NONE: tuple[tuple[str, Facts], ...] = (
    *WHERE_NOT[:-1],
    ("empty no_output", {"chunks": False}),
    ("bad_response malformed_event", {"bad": True, "decoded": True, "chunks": True}),
    ("truncated token_limit", {"chunks": True, "decoded": True, "limit": True, "check": "begun", "tokens": 9}),
    ("truncated incomplete_answer", {"chunks": True, "decoded": True, "check": "begun"}),
    ("wrong_content missing", {"chunks": True, "decoded": True, "check": "missing"}),
    ("unverified -", {"chunks": True, "decoded": True}),
)
REGIONS: dict[str, tuple[EndRule, bool, tuple[tuple[str, Facts], ...]]] = {
    "where the end has arrived": (END, True, WHERE_ARRIVED),
    "where it has not": (END, False, WHERE_NOT),
    "where none is declared": (NONE, False, WHERE_NONE),
}


def both(one: Facts, other: Facts) -> Facts | None:
    """Return the facts for which both rows hold; None if that is impossible."""
    if any(one[key] != other[key] for key in one.keys() & other.keys()):
        return None
    return one | other


def recorded(facts: Facts, rule: EndRule, *, ended: bool) -> Recording:
    """Tell a stream of which these facts are true, and as little else as can be."""
    stops = (("abort", Stop.ABORT), ("filter", Stop.CONTENT_FILTER), ("refusal", Stop.REFUSAL),
             ("blocked", Stop.PROMPT_BLOCKED), ("limit", Stop.LENGTH))  # fmt: skip
    events: list[Event] = [Meta(stop=stop) for name, stop in stops if facts.get(name)]
    events += GAP if facts.get("gap") else ()
    events += [BAD] if facts.get("bad") or facts.get("decoded") is False else []
    events += [Meta(usage=Usage(1, facts["tokens"]))] if "tokens" in facts else []
    events += [TEXT] if facts.get("chunks", facts.get("decoded")) else []
    events += [Failure(Fault.QUOTA)] if facts.get("failure") else []
    events += [Finish()] if ended else []
    events += [HALF] if facts.get("partial") else []
    head = Head(
        facts.get("status", 200),
        facts.get("type", SSE[0]),
        facts.get("encoding", ""),
        empty=facts.get("empty", False),
    )
    has_head = facts.get("head", True)
    return stream(
        *events if has_head else (), ended=facts.get("ending", CLEAN), head=head if has_head else None, rule=rule
    )


def pairs(region: str) -> list[tuple[str, str, Facts]]:
    """Return every two rows that can hold together, the first of them first."""
    _, ended, rows = REGIONS[region]
    given = {"ended": ended, **({"decoded": True} if ended else {})}
    found = []
    for (first, one), (second, other) in combinations(
        ANYWHERE + tuple((name, {"head": True, **facts}) for name, facts in rows), 2
    ):
        facts = both(one, other)
        if facts is not None and (facts := both(facts, given)) is not None:
            found.append((first, second, facts))
    return found


@pytest.mark.parametrize(("region", "least"), [(region, 90) for region in REGIONS])
def test_the_first_of_two_wins(region: str, least: int) -> None:
    """If two rows hold, the first one is the verdict."""
    rule, ended, _ = REGIONS[region]
    tried = pairs(region)
    assert len(tried) >= least
    for first, second, facts in tried:
        verdict = judge(recorded(facts, rule, ended=ended), CHECKS.get(facts.get("check", "")), content_types=SSE)
        assert f"{verdict.outcome} {verdict.cause or '-'}" == first, (first, second, facts)


@pytest.mark.parametrize("region", REGIONS)
def test_each_row_alone(region: str) -> None:
    """Each row is the verdict if it alone holds."""
    rule, ended, rows = REGIONS[region]
    for name, facts in rows:
        verdict = judge(recorded(facts, rule, ended=ended), CHECKS.get(facts.get("check", "")), content_types=SSE)
        assert f"{verdict.outcome} {verdict.cause or '-'}" == name, facts


def test_every_verdict_has_its_words() -> None:
    """No template is left unfilled."""
    assert all(verdict.detail and "{" not in verdict.detail for verdict in map(verdict_of, ROWS))


def test_a_bare_verdict() -> None:
    """Facts that are not set are false."""
    bare = Verdict(Outcome.OK, None, Phase.END)
    assert (bare.detail, bare.unclean, bare.accepted, bare.content_type_mismatch) == ("", None, False, False)
