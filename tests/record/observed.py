"""Observations for the tests of the record, told from literal streams and judged by the real table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from monitor.judge.verdict import judge
from monitor.record.observation import Observation
from monitor.stream.endings import BodyFraming, Ending, EndKind, Head, Mark
from monitor.stream.events import Event, Finish, Meta, Output
from monitor.stream.recorder import Recorder
from monitor.stream.recording import EndRule, Recording
from monitor.target import FirstChunkSlo, Slo, Target

URL = "https://user:canary-password@gateway.example.com:8443/v1/chat?key=canary-value"
GATEWAY = Target("gateway", "openai-chat", URL, model="m", slo=Slo(first_chunk=FirstChunkSlo(2.0)))
START = datetime(2026, 11, 22, 22, 10, 0, 123456, tzinfo=UTC)
NO_END = EndRule(declares_end=False)


def recorded(*events: tuple[float, Event], kind: EndKind = EndKind.COMPLETE, rule: EndRule | None = None) -> Recording:
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
