"""Recordings for the tests of the verdict, made of literal events."""

from __future__ import annotations

from typing import Any

from monitor.judge.content_check import CheckResult
from monitor.stream.endings import BodyFraming, Deadline, Ending, EndKind, Head, Mark
from monitor.stream.events import (
    Done,
    Event,
    Finish,
    Malformed,
    Meta,
    Output,
    Partial,
    Stop,
)
from monitor.stream.recorder import Recorder
from monitor.stream.recording import EndRule, Recording
from monitor.target import Terminator

SSE = ("text/event-stream",)
CHUNKED = Head(200, "text/event-stream", framing=BodyFraming.CHUNKED)
END, MARKED, NONE = EndRule(), EndRule(declares_marker=True), EndRule(Terminator.NONE, declares_end=False)

TEXT, ROLE, PING, STOP, DONE = Output("1\n"), Meta(choice=0), Meta(ping=True), Finish("stop"), Done()
LIMIT, ABORT = Finish("length", Stop.LENGTH), Finish("abort", Stop.ABORT)
BAD, HALF, UNTERMINATED = Malformed("no JSON"), Partial(), Partial(parsed=True)
CHECKSUM = Malformed("a checksum", body=True)
GAP = (Meta(sequence=1), Meta(sequence=3))
PASSED, BEGUN = CheckResult("count", None, 1.0), CheckResult("count", "missing", 0.4, beginning=True)


def wrong(fault: str) -> CheckResult:
    """Return a check that failed like this."""
    return CheckResult("count", fault, 0.4)


def end(kind: str, detail: str = "", deadline: str = "", *, extra: bool = False) -> Ending:
    """Tell how the bytes stopped."""
    return Ending(EndKind(kind), 9.0, detail, Deadline(deadline) if deadline else None, extra)


CLEAN, FIN, RST, BROKEN = end("complete"), end("incomplete"), end("reset"), end("malformed")
IDLE, LATE, SLOW = end("deadline", "30s", "idle"), end("deadline", "60s", "first_chunk"), end("deadline", "5m", "total")
OPEN, MORE = end("deadline", "2s", "drain"), end("complete", extra=True)


def stream(
    *events: Event, ended: Ending = CLEAN, head: Head | None = CHUNKED, rule: EndRule = END, more: int = 0
) -> Recording:
    """Tell a stream: its head, each event in an arrival of its own, and `more` reads that brought no event."""
    line = Recorder(rule)
    line.connected = True
    line.mark(Mark.REQUEST_SENT, 0.1)
    line.head = head
    for number, event in enumerate(events, start=1):
        line.arrived(float(number), 0.0, number * 10)
        line.record(event, number * 10)
    for number in range(more):
        line.arrived(8.0, 0.0, 1000 + number)
    line.ending = ended
    return line.finish()


def headless(ended: Ending, *, connected: bool = False, sent: bool = False) -> Recording:
    """Tell a connection that brought no whole head."""
    line = Recorder()
    line.connected = connected
    if sent:
        line.mark(Mark.REQUEST_SENT, 0.1)
    line.ending = ended
    return line.finish()


def status(code: int, *events: Event, ended: Ending | None = None, **more: Any) -> Recording:  # noqa: ANN401 - fields of Head
    """Tell a response with this status."""
    return stream(*events, ended=ended or end("declined"), head=Head(code, "application/json", **more))


def typed(content_type: str, *events: Event, ended: Ending = CLEAN, rule: EndRule = END) -> Recording:
    """Tell a response of this content type."""
    return stream(*events, ended=ended, head=Head(200, content_type, framing=BodyFraming.CHUNKED), rule=rule)
