"""Cohere's chat of version 2 (`/v2/chat`): events by type, text in blocks, the reason with the message's end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from monitor.protocols.base import Protocol, Request, json_request, one_message
from monitor.protocols.shapes import as_count, as_object, as_text, failure, load, named_error
from monitor.stream.events import Done, Event, Finish, Message, Meta, Output, Part, Stop, Usage
from monitor.stream.sse import ServerSentEvents
from monitor.target import Target

_STOPS: Mapping[str, Stop] = {
    "": Stop.COMPLETE,
    "COMPLETE": Stop.COMPLETE,
    "STOP_SEQUENCE": Stop.COMPLETE,
    "TOOL_CALL": Stop.COMPLETE,
    "MAX_TOKENS": Stop.LENGTH,
    "ERROR_TOXIC": Stop.CONTENT_FILTER,
}
"""What the reasons mean; any other says that the answer failed (`ERROR`, `TIMEOUT`)."""


def request(target: Target, prompt: str) -> Request:
    """Ask with one user message."""
    return json_request(one_message(target, prompt), target)


def interpret(message: Message) -> Iterator[Event]:
    """Read one event by its type; one of an unknown type is life without output. Gateways add `[DONE]`."""
    if message.data.strip() == "[DONE]":
        yield Done()
        return
    if message.name == "error":
        yield named_error(message.data)
        return
    frame = load(message.data)
    match _kind(frame, message.name):
        case "content-start" | "content-delta":
            yield from _pieces(_said(frame, "content"), text=Part.CONTENT, thinking=Part.REASONING) or (Meta(),)
        case "tool-plan-delta":
            yield from _pieces(as_object(_delta(frame)["message"]), tool_plan=Part.REASONING) or (Meta(),)
        case "tool-call-start" | "tool-call-delta":
            called = as_object(_said(frame, "tool_calls").get("function") or {})
            yield Output(as_text(called.get("arguments")), Part.TOOL_CALL)
        case "message-end":
            yield from _end(as_object(frame.get("delta") or {}))
        case "error":
            yield failure(frame.get("error") or frame)
        case _:
            yield Meta()


def _kind(frame: Mapping[str, object], name: str) -> str:
    """Return the type of an event: what it says, or its name; errors, here as for any request, have a message alone."""
    if kind := as_text(frame.get("type")) or name:
        return kind
    if "error" in frame or "message" in frame:
        return "error"
    raise KeyError("type")


def _delta(frame: Mapping[str, object]) -> Mapping[str, object]:
    return as_object(frame["delta"])


def _said(frame: Mapping[str, object], what: str) -> Mapping[str, object]:
    return as_object(as_object(_delta(frame)["message"])[what])


def _pieces(said: Mapping[str, object], **parts: Part) -> list[Output]:
    return [Output(text, part) for key, part in parts.items() if (text := as_text(said.get(key)))]


def _end(delta: Mapping[str, object]) -> Iterator[Event]:
    """Read why the message ended, and what it took."""
    tokens = as_object(as_object(delta.get("usage") or {}).get("tokens") or {})
    reason = as_text(delta.get("finish_reason"))
    yield Meta(usage=Usage(as_count(tokens.get("input_tokens")), as_count(tokens.get("output_tokens"))))
    yield Finish(reason or None, _STOPS.get(reason, Stop.ABORT))


COHERE_V2 = Protocol(
    name="cohere-v2",
    framing=ServerSentEvents,
    request=request,
    interpret=interpret,
    paths=("/v2/chat",),
    asked_at="`/v2/chat`",
    complete_when="`message-end` with `COMPLETE`, `STOP_SEQUENCE` or `TOOL_CALL`",
    example="made/cohere_v2_whole",
    dialect="monitor.lab.dialects.cohere_v2:SPEAKER",
)
