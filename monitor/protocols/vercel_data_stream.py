"""Vercel's AI SDK: version 4's data stream (a line is a code, a colon and JSON), version 5's UI messages (SSE)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from monitor.protocols.base import MARKER, Protocol, Request, json_request
from monitor.protocols.finish_reasons import reason_of, stop_of
from monitor.protocols.shapes import FOREIGN, usage_of
from monitor.protocols.stream_errors import failure, failure_in
from monitor.protocols.values import as_arguments, as_object, as_text, as_word, load, load_any
from monitor.stream.events import Done, Event, Finish, Message, Meta, Output, Part, Stop
from monitor.stream.lines import Lines
from monitor.target import Target

_PART = re.compile(r"([0-9a-z]{1,2}):(?=\S)(.*)", re.DOTALL)
_TEXTS: Mapping[str, Part] = {"0": Part.CONTENT, "g": Part.REASONING}
_DELTAS: Mapping[str, tuple[str, Part]] = {
    "text-delta": ("delta", Part.CONTENT),
    "reasoning-delta": ("delta", Part.REASONING),
    "tool-input-delta": ("inputTextDelta", Part.TOOL_CALL),
}
_SILENT = re.compile(
    r"(text|reasoning)-(start|end|file)$|(start|finish)-step$|source-|data-|tool-(input|output|approval)-"
    r"|(start|file|custom|message-metadata)$"
)
"""Types of version 5 that say nothing of the answer."""
_TOOLS = frozenset({"9", "b", "c"})
_QUIET = frozenset("28aefhijk")
"""Codes of version 4 that say nothing of the answer."""


def request(target: Target, prompt: str) -> Request:
    """Ask as `useChat` of both versions does: the message has its text and its parts."""
    asked = {"id": "1", "role": "user", "content": prompt, "parts": [{"type": "text", "text": prompt}]}
    return json_request({"id": "chat-monitor", "messages": [asked], "trigger": "submit-message"}, target)


def interpret(message: Message) -> Iterator[Event]:
    """Read one line of either version; fields of an event other than `data`, and comments, are life without output."""
    line = message.data
    if line.startswith(":"):
        yield Meta(ping=True)
    elif line.startswith("data:"):
        yield from _event(line[5:].strip())
    elif line.startswith(("event:", "id:", "retry:")):
        yield Meta(ping=True)
    elif found := _PART.fullmatch(line):
        yield from _part(found[1], found[2])
    else:
        raise ValueError("not a part of a data stream")


def _event(data: str) -> Iterator[Event]:
    """Read the data of one event of version 5, by its type."""
    if data.startswith(MARKER):
        yield Done()
        return
    frame = load(data)
    kind = as_word(frame.get("type")) or ""
    if kind in _DELTAS:
        key, part = _DELTAS[kind]
        text = as_text(frame.get(key))
        yield Output(text, part) if text else Meta()
        return
    if (error := failure_in(frame)) is not None:
        yield error
        return
    match kind:
        case "tool-input-start" | "tool-input-available":
            yield Output("", Part.TOOL_CALL)
        case "abort":
            yield Finish("abort", Stop.ABORT)
        case "finish":
            yield from _finish(frame)
        case _:
            yield Meta() if _SILENT.match(kind) else FOREIGN


def _part(code: str, text: str) -> Iterator[Event]:
    """Read one part of version 4, by its code; one of an unknown code is foreign."""
    value = load_any(text)
    if code in _TEXTS:
        output = as_text(value)
        yield Output(output, _TEXTS[code]) if output else Meta()
    elif code in _TOOLS:
        yield Output(as_arguments(as_object(value).get("argsTextDelta")), Part.TOOL_CALL)
    elif code == "3":
        yield failure(value)
    elif code == "d":
        yield from _finish(as_object(value))
    else:
        yield Meta() if code in _QUIET else FOREIGN


def _finish(frame: Mapping[str, object]) -> Iterator[Event]:
    """Read the end of the message; `d:` and `finish` come once, after all steps."""
    yield Meta(usage=usage_of(frame.get("usage")))
    reason = reason_of(frame.get("finishReason"))
    yield Finish(reason, stop_of(reason))


VERCEL_DATA_STREAM = Protocol(
    name="vercel-data-stream",
    framing=Lines,
    request=request,
    interpret=interpret,
    content_types=("text/plain", "text/event-stream"),
    asked_at="`/api/chat` and others of applications with Vercel's AI SDK 4 (`toDataStreamResponse`) or 5 "
    "(`toUIMessageStreamResponse`)",
    complete_when="`d:` with its `finishReason` (version 4), `finish` (version 5)",
    note="the application chooses the model: what else it wants goes into `body`",
    example="made/vercel_data_stream_whole",
    dialect="monitor.lab.dialects.vercel_data_stream:DIALECT",
)
