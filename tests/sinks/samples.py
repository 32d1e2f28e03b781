"""Observations for the tests of the sinks, made of literal events and judged by the real table."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema_rs import Draft202012Validator, meta

from monitor.judge.verdict import judge
from monitor.record.observation import Observation
from monitor.record.parts import Tokens
from monitor.stream.endings import BodyFraming, Ending, EndKind, Head, Mark
from monitor.stream.events import Event, Failure, Fault, Finish, Output
from monitor.stream.recorder import Recorder
from monitor.stream.recording import EndRule, Recording
from monitor.target import CountCheck, Target

START = datetime(2026, 11, 22, 22, 10, 0, 123456, tzinfo=UTC)
GATEWAY = Target("gateway", "openai-chat", "https://key@gateway.example.com:8443/v1/chat?key=abc", model="m")
SCHEMA = Path(__file__).parents[2] / "docs" / "event.schema.json"


def line(*events: tuple[float, Event], ending: EndKind = EndKind.COMPLETE, unsure: float = 1e-5) -> Recording:
    """Record a stream that ends 100 ms after its last event."""
    return end(begun(*events, unsure=unsure), ending, events[-1][0] + 0.1 if events else 0.1)


def begun(*events: tuple[float, Event], unsure: float = 1e-5, rule: EndRule | None = None) -> Recorder:
    """Record the beginning of a stream: a head after 50 ms, then each event in an arrival of its own."""
    recorder = Recorder(rule)
    for mark, time in ((Mark.DNS, 0.001), (Mark.CONNECT, 0.003), (Mark.TLS, 0.011), (Mark.REQUEST_SENT, 0.012)):
        recorder.mark(mark, time)
    recorder.connected = True
    recorder.mark(Mark.HEADERS, 0.05)
    recorder.head = Head(200, "text/event-stream", framing=BodyFraming.CHUNKED)
    for number, (time, event) in enumerate(events, start=1):
        recorder.arrived(time, unsure, number * 100)
        recorder.record(event, number * 100)
    return recorder


def end(recorder: Recorder, kind: EndKind, at: float) -> Recording:
    """Tell how it ended."""
    recorder.ending = Ending(kind, at)
    recorder.mark(Mark.END, at)
    return recorder.finish()


def chunks(*times: float) -> list[tuple[float, Event]]:
    """Tell one chunk of output at each of these times."""
    return [(time, Output("x")) for time in times]


def observed(recording: Recording, target: Target = GATEWAY, **more: Any) -> Observation:  # noqa: ANN401 (fields of Observation)
    """Return the observation of a recording; `more` are its other fields."""
    fields: dict[str, Any] = {"probe_id": "01JDX0000000000000000000AB", "trigger": "schedule", "tokens": Tokens(20, 3)}
    fields.update(more)
    return Observation(
        target=target, timestamp=START, recording=recording, verdict=judge(recording, more.get("check")), **fields
    )


def whole(target: Target = GATEWAY, **more: Any) -> Observation:  # noqa: ANN401 (fields of Observation)
    """Return a complete chat of three chunks, with gaps of 100 and 300 ms."""
    return observed(line(*chunks(0.2, 0.3, 0.6), (0.7, Finish("stop"))), target, **more)


def cut(target: Target = GATEWAY, **more: Any) -> Observation:  # noqa: ANN401 (fields of Observation)
    """Return the same, with the connection closed inside the body after the third chunk."""
    return observed(line(*chunks(0.2, 0.3, 0.6), ending=EndKind.INCOMPLETE), target, **more)


def failed(fault: Fault = Fault.OVERLOADED, **more: Any) -> Observation:  # noqa: ANN401 (fields of Observation)
    """Return a chat with an error in its stream after one chunk."""
    return observed(line(*chunks(0.2), (0.3, Failure(fault))), **more)


def refused(target: Target = GATEWAY, **more: Any) -> Observation:  # noqa: ANN401 (fields of Observation)
    """Return a probe whose connection was refused."""
    return observed(end(Recorder(), EndKind.REFUSED, 0.004), target, **{"tokens": None} | more)


def stopped(kind: EndKind = EndKind.ABORTED, **more: Any) -> Observation:  # noqa: ANN401 (fields of Observation)
    """Return a chat that we ended ourselves in its middle."""
    return observed(line(*chunks(0.2, 0.3), ending=kind), **more)


def counted(**changes: Any) -> Target:  # noqa: ANN401 (fields of Target)
    """Return the target with a counted list to check, and with `changes`."""
    return replace(GATEWAY, **{"check": CountCheck()} | changes)


@cache
def schema() -> dict[str, Any]:
    """Return the event's schema as in the docs."""
    found: dict[str, Any] = json.loads(SCHEMA.read_text())
    return found


def check_schema() -> None:
    """Raise if the schema itself is invalid."""
    meta.validate(schema())


def mistakes(event: object) -> list[str]:
    """Return how an event departs from the schema, which for the tests allows no additional key."""
    return [f"{'.'.join(map(str, error.instance_path))}: {error.message}" for error in _validator().iter_errors(event)]


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(_strict(schema()))


def _strict(part: Any) -> Any:  # noqa: ANN401 (any part of a JSON document)
    if isinstance(part, list):
        return [_strict(held) for held in part]
    if not isinstance(part, dict):
        return part
    strict = {key: _strict(held) for key, held in part.items()}
    if part.get("type") == "object" and "properties" in part:
        strict["additionalProperties"] = False
    return strict
