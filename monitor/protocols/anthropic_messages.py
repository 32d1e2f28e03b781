"""Anthropic's messages (`/v1/messages`), as Anthropic, LiteLLM, llama.cpp and many gateways stream them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from monitor.protocols.base import Auth, Protocol, Request, json_request, one_message
from monitor.protocols.finish_reasons import reason_of, stop_of
from monitor.protocols.shapes import FOREIGN, usage_of
from monitor.protocols.stream_errors import failure_in
from monitor.protocols.values import an_object, as_arguments, as_count, as_object, as_text, as_word, load
from monitor.stream.events import Event, Finish, Message, Meta, Output, Part, Usage
from monitor.stream.sse import ServerSentEvents
from monitor.target import Target

VERSION = "2023-06-01"
_DELTAS: Mapping[str, tuple[str, Part]] = {
    "text_delta": ("text", Part.CONTENT),
    "thinking_delta": ("thinking", Part.REASONING),
    "input_json_delta": ("partial_json", Part.TOOL_CALL),
}
_BLOCKS = (("thinking", Part.REASONING), ("text", Part.CONTENT))
"""Where a block has its text; `redacted_thinking` has `data`, which is encrypted."""
_CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})


def request(target: Target, prompt: str) -> Request:
    """Ask with one user message."""
    asked = json_request(one_message(target, prompt), target)
    return Request(asked.method, {**asked.headers, "anthropic-version": VERSION}, asked.body)


def interpret(message: Message) -> Iterator[Event]:
    """Read one event by its type; one of an unknown type is foreign.

    The message is choice 0 and each of its blocks one more: the end is there when the message and all blocks have
    stopped.
    """
    frame = load(message.data)
    kind = as_word(frame.get("type")) or message.name
    if (error := failure_in(frame, output=bool(kind))) is not None:
        yield error
        return
    match kind:
        case "message_start":
            yield from _start(as_object(frame.get("message")))
        case "content_block_start":
            yield Meta(choice=0)
            yield Meta(choice=_block(frame))
            yield from _content(as_object(frame.get("content_block")))
        case "content_block_delta":
            yield _delta(as_object(frame.get("delta")))
        case "content_block_stop":
            yield Finish(choice=_block(frame))
        case "message_delta":
            yield _end_of(frame)
        case "message_stop":
            yield Finish()
        case _:
            yield Meta(ping=True) if kind == "ping" else FOREIGN


def _start(message: Mapping[str, object]) -> Iterator[Event]:
    """Read the message as it begins; some gateways send all of it there."""
    usage = usage_of(message.get("usage"))
    usage = None if usage is None else Usage(usage.input)
    yield Meta(model=as_word(message.get("model")), usage=usage, choice=0)
    content = message.get("content")
    for block in map(an_object, content if isinstance(content, list) else []):
        yield from _content(block)


def _block(frame: Mapping[str, object]) -> int:
    return 1 + (as_count(frame.get("index")) or 0)


def _content(block: Mapping[str, object]) -> Iterator[Output]:
    """Return what a block holds when it begins: mostly nothing yet."""
    kind = as_text(block.get("type"))
    if kind in _CALLS:
        yield Output(as_arguments(block.get("input")), Part.TOOL_CALL)
    for key, part in _BLOCKS:
        if kind not in _CALLS and (text := as_text(block.get(key))):
            yield Output(text, part)


def _delta(delta: Mapping[str, object]) -> Event:
    key, part = _DELTAS.get(as_text(delta.get("type")), ("", Part.CONTENT))
    text = as_arguments(delta.get(key)) if key else ""
    return Output(text, part) if text else Meta()


def _end_of(frame: Mapping[str, object]) -> Meta:
    """Read why the message will end; it has not yet. What is counted here is counted from the message's start."""
    reason = reason_of(as_object(frame.get("delta")).get("stop_reason"))
    return Meta(reason=reason, stop=stop_of(reason) if reason else None, usage=usage_of(frame.get("usage")))


ANTHROPIC_MESSAGES = Protocol(
    name="anthropic-messages",
    parts=True,
    framing=ServerSentEvents,
    opaque=True,
    request=request,
    interpret=interpret,
    auth=Auth("x-api-key", "{}"),
    paths=("/messages",),
    asked_at="`/v1/messages`",
    complete_when="`message_stop`, and every block stopped",
    note="the key is `x-api-key`",
    example="servers/llama-server_anthropic_messages",
    dialect="monitor.lab.dialects.anthropic_messages:DIALECT",
)
