"""Observations for the tests of the record, made of literal events and judged by the real table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from monitor.judge.verdict import judge
from monitor.record.observation import Observation
from monitor.stream.endings import EndKind
from monitor.stream.events import Event, Finish, Meta, Output
from monitor.stream.recording import EndRule, Recording
from monitor.target import FirstChunkSlo, Slo, Target
from tests.sinks.samples import begun, end

URL = "https://user:canary-password@gateway.example.com:8443/v1/chat?key=canary-value"
GATEWAY = Target("gateway", "openai-chat", URL, model="m", slo=Slo(first_chunk=FirstChunkSlo(2.0)))
START = datetime(2026, 11, 22, 22, 10, 0, 123456, tzinfo=UTC)
NO_END = EndRule(declares_end=False)


def recorded(*events: tuple[float, Event], kind: EndKind = EndKind.COMPLETE, rule: EndRule | None = None) -> Recording:
    """Tell a stream: a head, each event in a read of its own of 100 bytes, and how it ended half a second later."""
    return end(begun(*events, unsure=0.00003, rule=rule), kind, events[-1][0] + 0.5 if events else 0.5)


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
