"""Anthropic's messages (`/v1/messages`), as Anthropic, LiteLLM, llama.cpp and many gateways stream them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from monitor.protocols.base import Auth, Protocol, Request, json_request, one_message
from monitor.protocols.shapes import as_count, as_object, as_text, failure, load, stop_of
from monitor.stream.events import Event, Finish, Message, Meta, Output, Part, Usage
from monitor.stream.sse import ServerSentEvents
from monitor.target import Target

VERSION = "2023-06-01"
_DELTAS: Mapping[str, tuple[str, Part]] = {
    "text_delta": ("text", Part.CONTENT),
    "thinking_delta": ("thinking", Part.REASONING),
    "input_json_delta": ("partial_json", Part.TOOL_CALL),
}


def request(target: Target, prompt: str) -> Request:
    """Ask with one user message."""
    asked = json_request(one_message(target, prompt), target)
    return Request(asked.method, {**asked.headers, "anthropic-version": VERSION}, asked.body)


def interpret(message: Message) -> Iterator[Event]:
    """Read one event by its type; one of an unknown type is life without output.

    The message is choice 0 and each of its blocks one more: the end is there when the message and all blocks have
    stopped.
    """
    frame = load(message.data)
    match _kind(frame, message.name):
        case "message_start":
            start = as_object(frame["message"])
            tokens = as_count(as_object(start.get("usage") or {}).get("input_tokens"))
            yield Meta(model=as_text(start.get("model")) or None, usage=Usage(tokens), choice=0)
        case "content_block_start":
            yield Meta(choice=0)
            yield Meta(choice=_block(frame))
            if as_object(frame["content_block"]).get("type") == "tool_use":
                yield Output("", Part.TOOL_CALL)
        case "content_block_delta":
            yield _delta(as_object(frame["delta"]))
        case "content_block_stop":
            yield Finish(choice=_block(frame))
        case "message_delta":
            yield _end_of(frame)
        case "message_stop":
            yield Finish()
        case "error":
            yield failure(frame["error"])
        case kind:
            yield Meta(ping=kind == "ping")


def _kind(frame: Mapping[str, object], name: str) -> str:
    """Return the type of an event: what it says, or its name; gateways in front send errors that have neither."""
    if kind := as_text(frame.get("type")) or name:
        return kind
    if "error" in frame:
        return "error"
    raise KeyError("type")


def _block(frame: Mapping[str, object]) -> int:
    return 1 + (as_count(frame["index"]) or 0)


def _delta(delta: Mapping[str, object]) -> Event:
    key, part = _DELTAS.get(as_text(delta["type"]), ("", Part.CONTENT))
    text = as_text(delta.get(key)) if key else ""
    return Output(text, part) if text else Meta()


def _end_of(frame: Mapping[str, object]) -> Meta:
    """Read why the message will end; it has not yet."""
    reason = as_text(as_object(frame["delta"]).get("stop_reason")) or None
    tokens = as_count(as_object(frame.get("usage") or {}).get("output_tokens"))
    return Meta(reason=reason, stop=stop_of(reason) if reason else None, usage=Usage(output=tokens))


ANTHROPIC_MESSAGES = Protocol(
    name="anthropic-messages",
    parts=True,
    framing=ServerSentEvents,
    request=request,
    interpret=interpret,
    auth=Auth("x-api-key", "{}"),
    paths=("/messages",),
    asked_at="`/v1/messages`",
    complete_when="`message_stop`, and every block stopped",
    note="the key is `x-api-key`",
    example="servers/llama-server_anthropic_messages",
    dialect="monitor.lab.dialects.anthropic_messages:SPEAKER",
)
