"""The verdict on one stream: an ordered table, the first match wins (contract, section 1).

`judge` is a pure function of a finished recording and the result of the content check.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from monitor.judge.content_check import CheckResult
from monitor.judge.detail import detail
from monitor.judge.facts import Facts
from monitor.stream.endings import Deadline, EndKind, Mark
from monitor.stream.events import Fault, Stop
from monitor.stream.recording import Recording
from monitor.stream.statistics import silent_since_output


class Outcome(StrEnum):
    """The outcome of one probe."""

    OK = "ok"
    UNVERIFIED = "unverified"
    TRUNCATED = "truncated"
    STALLED = "stalled"
    TIMEOUT = "timeout"
    STREAM_ERROR = "stream_error"
    HTTP_ERROR = "http_error"
    UNREACHABLE = "unreachable"
    NO_RESPONSE = "no_response"
    BAD_RESPONSE = "bad_response"
    EMPTY = "empty"
    FILTERED = "filtered"
    WRONG_CONTENT = "wrong_content"
    ABORTED = "aborted"
    INCONCLUSIVE = "inconclusive"


class Phase(StrEnum):
    """What the probe was doing when it stopped."""

    CONNECT = "connect"
    REQUEST = "request"
    HEADERS = "headers"
    FIRST_EVENT = "first_event"
    FIRST_CHUNK = "first_chunk"
    STREAM = "stream"
    END = "end"


class Unclean(StrEnum):
    """How the connection failed after the protocol's end had arrived."""

    INCOMPLETE_BODY = "incomplete_body"
    RESET = "reset"
    MID_EVENT = "mid_event"
    LEFT_OPEN = "left_open"
    TRAILING = "trailing"


CAUSES: dict[Outcome, tuple[str, ...]] = {
    Outcome.OK: (),
    Outcome.UNVERIFIED: (),
    Outcome.TRUNCATED: (
        "incomplete_body", "reset", "malformed_body", "no_terminator", "mid_event", "server_abort", "token_limit",
        "incomplete_answer",
    ),
    Outcome.STALLED: ("silent", "no_output"),
    Outcome.TIMEOUT: ("connect", "headers", "first_chunk", "total"),
    Outcome.STREAM_ERROR: tuple(Fault),
    Outcome.HTTP_ERROR: (
        "auth", "rate_limited", "quota", "not_found", "overloaded", "server", "redirect", "rejected",
    ),
    Outcome.UNREACHABLE: ("dns", "refused", "network", "tls_certificate", "tls_handshake", "proxy", "policy"),
    Outcome.NO_RESPONSE: ("closed", "reset", "partial_head"),
    Outcome.BAD_RESPONSE: (
        "malformed_head", "encoding", "content_type", "not_protocol", "malformed_event", "sequence_gap", "too_large",
    ),
    Outcome.EMPTY: ("no_output", "no_body"),
    Outcome.FILTERED: ("content_filter", "refusal", "prompt_blocked"),
    Outcome.WRONG_CONTENT: ("duplicated", "out_of_order", "missing", "too_short", "pattern", "token_limit"),
    Outcome.ABORTED: ("shutdown", "reload", "client"),
    Outcome.INCONCLUSIVE: ("resources", "internal"),
}  # fmt: skip
"""The closed sets: every outcome with its causes, the same in events, labels and docs."""

TRUNCATED: frozenset[tuple[Outcome, str | None]] = frozenset(
    (outcome, cause)
    for outcome, causes in CAUSES.items()
    for cause in causes
    if outcome in {Outcome.TRUNCATED, Outcome.STALLED, Outcome.STREAM_ERROR}
    or (outcome is Outcome.TIMEOUT and cause in {"first_chunk", "total"})
)
"""The pairs that the truncation ratio counts if the stream was accepted."""

OUR_OWN = frozenset({Outcome.ABORTED, Outcome.INCONCLUSIVE})
"""Outcomes that say nothing about the target and are counted in no ratio."""

UNREADABLE = frozenset({
    (Outcome.BAD_RESPONSE, "encoding"), (Outcome.BAD_RESPONSE, "content_type"), (Outcome.EMPTY, "no_body"),
})  # fmt: skip
"""Responses with a 2xx head that are not a readable stream: not accepted."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict; `unclean` is only set if the protocol's end had arrived."""

    outcome: Outcome
    cause: str | None
    phase: Phase
    detail: str = ""
    unclean: Unclean | None = None
    accepted: bool = False
    """The head was 2xx and the stream could be read."""
    content_type_mismatch: bool = False

    @property
    def truncated(self) -> bool:
        """Whether the truncation ratio counts it."""
        return self.accepted and (self.outcome, self.cause) in TRUNCATED


When = Callable[[Facts], bool]


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """One row of the table: the outcome and cause if its condition holds."""

    outcome: Outcome
    cause: str | None
    when: When


def _ended(kind: EndKind, detail: str | None = None) -> When:
    return lambda f: f.ending.kind is kind and (detail is None or f.ending.detail == detail)


def _expired(deadline: Deadline) -> When:
    return lambda f: f.ending.deadline is deadline


def _headless(kind: EndKind) -> When:
    return lambda f: f.recording.head is None and f.ending.kind is kind


def _status(*codes: int) -> When:
    return lambda f: f.status in codes


def _stopped(stop: Stop) -> When:
    return lambda f: stop in f.recording.end.stops


def _failed(fault: Fault) -> When:
    return lambda f: f.failure is not None and f.failure.fault is fault


def _wrong(cause: str) -> When:
    return lambda f: f.wrong == cause


def _limited(*, ours: bool) -> When:
    return lambda f: Stop.LENGTH in f.recording.end.stops and f.wrong is not None and f.our_limit is ours


def _rest(_: Facts) -> bool:
    return True


OWN = (
    VerdictRow(Outcome.INCONCLUSIVE, "resources", _ended(EndKind.RESOURCES)),
    VerdictRow(Outcome.INCONCLUSIVE, "internal", _ended(EndKind.INTERNAL)),
    VerdictRow(Outcome.ABORTED, "shutdown", _ended(EndKind.ABORTED, "shutdown")),
    VerdictRow(Outcome.ABORTED, "reload", _ended(EndKind.ABORTED, "reload")),
    VerdictRow(Outcome.ABORTED, "client", _ended(EndKind.ABORTED)),
)
CONNECTION = (
    *(
        VerdictRow(Outcome.UNREACHABLE, kind.value, _ended(kind))
        for kind in (
            EndKind.DNS, EndKind.REFUSED, EndKind.NETWORK, EndKind.TLS_CERTIFICATE, EndKind.TLS_HANDSHAKE,
            EndKind.PROXY, EndKind.POLICY,
        )
    ),
    VerdictRow(Outcome.TIMEOUT, "connect", _expired(Deadline.CONNECT)),
)  # fmt: skip
HEAD = (
    VerdictRow(Outcome.NO_RESPONSE, "closed", _headless(EndKind.CLOSED)),
    VerdictRow(Outcome.NO_RESPONSE, "reset", _headless(EndKind.RESET)),
    VerdictRow(Outcome.NO_RESPONSE, "partial_head", _headless(EndKind.PARTIAL_HEAD)),
    VerdictRow(Outcome.BAD_RESPONSE, "malformed_head", _headless(EndKind.MALFORMED_HEAD)),
    VerdictRow(Outcome.TIMEOUT, "headers", _expired(Deadline.HEADERS)),
    VerdictRow(Outcome.HTTP_ERROR, "auth", _status(401, 403)),
    VerdictRow(Outcome.HTTP_ERROR, "rate_limited", _status(429)),
    VerdictRow(Outcome.HTTP_ERROR, "quota", _status(402)),
    VerdictRow(Outcome.HTTP_ERROR, "not_found", _status(404, 410)),
    VerdictRow(Outcome.HTTP_ERROR, "overloaded", _status(503, 529)),
    VerdictRow(Outcome.HTTP_ERROR, "server", lambda f: 500 <= f.status <= 599),
    VerdictRow(Outcome.HTTP_ERROR, "redirect", lambda f: 300 <= f.status <= 399),
    VerdictRow(Outcome.HTTP_ERROR, "rejected", lambda f: f.recording.head is not None and not 200 <= f.status <= 299),
    VerdictRow(Outcome.BAD_RESPONSE, "encoding", lambda f: f.encoded),
    VerdictRow(
        Outcome.BAD_RESPONSE, "content_type", lambda f: f.mismatch and not f.recording.decoded and not f.bodiless
    ),
    VerdictRow(Outcome.EMPTY, "no_body", lambda f: f.bodiless),
)
STREAM = (
    VerdictRow(
        Outcome.BAD_RESPONSE, "too_large",
        lambda f: f.ending.kind is EndKind.TOO_LARGE and not f.arrived and f.recording.end.broken is None,
    ),
    *(VerdictRow(Outcome.STREAM_ERROR, fault.value, _failed(fault)) for fault in Fault),
    VerdictRow(Outcome.TRUNCATED, "server_abort", _stopped(Stop.ABORT)),
    VerdictRow(Outcome.FILTERED, "content_filter", _stopped(Stop.CONTENT_FILTER)),
    VerdictRow(Outcome.FILTERED, "refusal", _stopped(Stop.REFUSAL)),
    VerdictRow(Outcome.FILTERED, "prompt_blocked", _stopped(Stop.PROMPT_BLOCKED)),
)  # fmt: skip
EVERYWHERE = OWN + CONNECTION + HEAD + STREAM

_CONTENT = (
    VerdictRow(Outcome.WRONG_CONTENT, "token_limit", _limited(ours=True)),
    *(
        VerdictRow(Outcome.WRONG_CONTENT, cause, _wrong(cause))
        for cause in ("duplicated", "out_of_order", "missing", "too_short", "pattern")
    ),
)
_WIRE = (
    VerdictRow(
        Outcome.TRUNCATED,
        "malformed_body",
        lambda f: f.ending.kind is EndKind.MALFORMED or f.recording.end.broken is not None,
    ),
    VerdictRow(Outcome.TRUNCATED, "reset", _ended(EndKind.RESET)),
    VerdictRow(Outcome.TRUNCATED, "incomplete_body", _ended(EndKind.INCOMPLETE)),
    VerdictRow(
        Outcome.STALLED, "silent", lambda f: f.ending.deadline is Deadline.IDLE and silent_since_output(f.recording)
    ),
    VerdictRow(Outcome.STALLED, "no_output", _expired(Deadline.IDLE)),
    VerdictRow(Outcome.TIMEOUT, "first_chunk", _expired(Deadline.FIRST_CHUNK)),
    VerdictRow(Outcome.TIMEOUT, "total", _expired(Deadline.TOTAL)),
    VerdictRow(Outcome.BAD_RESPONSE, "not_protocol", lambda f: f.undecoded),
    VerdictRow(Outcome.TRUNCATED, "mid_event", lambda f: f.recording.partial),
)
ARRIVED = (
    VerdictRow(Outcome.BAD_RESPONSE, "sequence_gap", lambda f: f.recording.end.sequence_gap and not f.right),
    VerdictRow(Outcome.BAD_RESPONSE, "malformed_event", lambda f: f.malformed),
    VerdictRow(Outcome.EMPTY, "no_output", lambda f: f.recording.chunks == 0),
    VerdictRow(Outcome.TRUNCATED, "token_limit", _limited(ours=False)),
    *_CONTENT,
    VerdictRow(Outcome.OK, None, _rest),
)
MISSING = (*_WIRE, VerdictRow(Outcome.TRUNCATED, "no_terminator", _rest))
UNDECLARED = (
    *_WIRE,
    VerdictRow(Outcome.EMPTY, "no_output", lambda f: f.recording.chunks == 0),
    VerdictRow(Outcome.BAD_RESPONSE, "malformed_event", lambda f: f.malformed),
    VerdictRow(Outcome.TRUNCATED, "token_limit", _limited(ours=False)),
    VerdictRow(Outcome.TRUNCATED, "incomplete_answer", lambda f: f.beginning),
    *_CONTENT,
    VerdictRow(Outcome.UNVERIFIED, None, _rest),
)


def table(facts: Facts) -> tuple[VerdictRow, ...]:
    """Return the rows that apply: if the end has arrived, if it has not, or if none is declared."""
    if facts.passed or facts.arrived:
        return EVERYWHERE + ARRIVED
    return EVERYWHERE + (MISSING if facts.recording.rule.declared else UNDECLARED)


def judge(
    recording: Recording,
    check: CheckResult | None = None,
    *,
    content_types: tuple[str, ...] = (),
    max_tokens: int = 400,
) -> Verdict:
    """Return the verdict on a stream that has ended."""
    facts = Facts(recording, check, content_types, max_tokens)
    row = next(row for row in table(facts) if row.when(facts))
    complete = _complete(facts, row)
    return Verdict(
        outcome=row.outcome,
        cause=row.cause,
        phase=_phase(facts, complete=complete),
        detail=detail(facts, row.outcome, row.cause),
        unclean=_unclean(facts) if complete or row.outcome in _BY_THE_BODY else None,
        accepted=_accepted(facts, row),
        content_type_mismatch=facts.mismatch and recording.decoded,
    )


_BY_THE_BODY = frozenset({Outcome.UNVERIFIED, Outcome.WRONG_CONTENT})
"""If no end is declared and no check passed, these outcomes mean that the body's end counts as the end."""


def _complete(facts: Facts, row: VerdictRow) -> bool:
    """Whether the stream was judged as complete, independent of how the connection ended afterwards."""
    of_the_stream = row.outcome not in OUR_OWN and row not in CONNECTION + HEAD
    return of_the_stream and (facts.arrived or (facts.passed and row in ARRIVED))


def _accepted(facts: Facts, row: VerdictRow) -> bool:
    return 200 <= facts.status <= 299 and row.outcome not in OUR_OWN and (row.outcome, row.cause) not in UNREADABLE


def _phase(facts: Facts, *, complete: bool) -> Phase:
    recording = facts.recording
    marks = recording.marks
    if recording.head is None:
        if Mark.REQUEST_SENT in marks:
            return Phase.HEADERS
        return Phase.REQUEST if recording.connected and facts.ending.deadline is not Deadline.CONNECT else Phase.CONNECT
    if complete or facts.arrived:
        return Phase.END
    if not 200 <= facts.status <= 299 or facts.encoded or facts.bodiless:
        return Phase.HEADERS
    if recording.chunks:
        return Phase.STREAM
    return Phase.FIRST_CHUNK if Mark.FIRST_EVENT in marks else Phase.FIRST_EVENT


def _unclean(facts: Facts) -> Unclean | None:
    by_wire = {
        EndKind.INCOMPLETE: Unclean.INCOMPLETE_BODY,
        EndKind.RESET: Unclean.RESET,
        EndKind.MALFORMED: Unclean.TRAILING,
        EndKind.TOO_LARGE: Unclean.TRAILING,
        EndKind.DEADLINE: Unclean.LEFT_OPEN,
    }.get(facts.ending.kind)
    if by_wire is not None:
        return by_wire
    if facts.recording.partial or facts.recording.unterminated:
        return Unclean.MID_EVENT
    return Unclean.TRAILING if facts.recording.end.trailing or facts.ending.extra else None
