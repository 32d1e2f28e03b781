"""Cohere's chat of version 2 (`/v2/chat`): events by type, text in blocks, the reason with the message's end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from monitor.protocols.base import Protocol, Request, json_request, one_message
from monitor.protocols.finish_reasons import reason_of, stop_of
from monitor.protocols.shapes import FOREIGN, usage_of
from monitor.protocols.stream_errors import failure, failure_in
from monitor.protocols.values import an_object, as_arguments, as_object, as_text, as_word, load
from monitor.stream.events import Event, Finish, Message, Meta, Output, Part
from monitor.stream.sse import ServerSentEvents
from monitor.target import Target

_SILENT = frozenset({
    "message-start", "content-end", "tool-call-end", "citation-start", "citation-end", "debug",
})  # fmt: skip


def request(target: Target, prompt: str) -> Request:
    """Ask with one user message."""
    return json_request(one_message(target, prompt), target)


def interpret(message: Message) -> Iterator[Event]:
    """Read one event by its type; one of an unknown type is foreign."""
    frame = load(message.data)
    kind = as_word(frame.get("type")) or message.name
    if (error := failure_in(frame, output=bool(kind))) is not None:
        yield error
        return
    delta = as_object(frame.get("delta"))
    match kind:
        case "content-start" | "content-delta":
            yield from _pieces(_said(delta, "content"), text=Part.CONTENT, thinking=Part.REASONING) or (Meta(),)
        case "tool-plan-delta":
            yield from _pieces(as_object(delta.get("message")), tool_plan=Part.REASONING) or (Meta(),)
        case "tool-call-start" | "tool-call-delta":
            called = as_object(_said(delta, "tool_calls").get("function"))
            yield Output(as_arguments(called.get("arguments")), Part.TOOL_CALL)
        case "message-end":
            yield from _end(delta)
        case "":  # errors have a message alone, here as for any request
            yield failure(frame) if isinstance(frame.get("message"), str) else FOREIGN
        case _:
            yield Meta() if kind in _SILENT else FOREIGN


def _said(delta: Mapping[str, object], what: str) -> Mapping[str, object]:
    return as_object(as_object(delta.get("message")).get(what))


def _pieces(fields: Mapping[str, object], **parts: Part) -> list[Output]:
    return [Output(text, part) for key, part in parts.items() if (text := as_text(fields.get(key)))]


def _end(delta: Mapping[str, object]) -> Iterator[Event]:
    """Read why the message ended, and what it took."""
    counted = an_object(delta.get("usage"))
    reason = reason_of(delta.get("finish_reason"))
    yield Meta(usage=usage_of(counted.get("tokens")) or usage_of(counted.get("billed_units")))
    yield Finish(reason, stop_of(reason), words=as_text(delta.get("error"), "message", "detail", "text"))


COHERE_V2 = Protocol(
    name="cohere-v2",
    framing=ServerSentEvents,
    request=request,
    interpret=interpret,
    paths=("/v2/chat",),
    asked_at="`/v2/chat`",
    complete_when="`message-end` with `COMPLETE`, `STOP_SEQUENCE` or `TOOL_CALL`",
    example="made/cohere_v2_whole",
    dialect="monitor.lab.dialects.cohere_v2:DIALECT",
)
