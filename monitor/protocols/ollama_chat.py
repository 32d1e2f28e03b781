"""Ollama's own chat (`/api/chat`): one JSON object a line, the last of them `"done": true`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from monitor.protocols.base import Protocol, Request, json_request
from monitor.protocols.shapes import as_count, as_list, as_object, as_text, failure, load, stop_of
from monitor.stream.events import Event, Finish, Message, Meta, Output, Part, Usage
from monitor.stream.lines import Lines
from monitor.target import Target


def request(target: Target, prompt: str) -> Request:
    """Ask with one user message."""
    body = {
        "model": target.model,
        "messages": [{"role": "user", "content": prompt}],
        "stream": True,
        "options": {"num_predict": target.max_tokens, "temperature": target.temperature},
    }
    return json_request(body, target, accept="application/x-ndjson")


def interpret(message: Message) -> Iterator[Event]:
    """Read one line; the last one may carry output, too. `load` and `unload` end it without any."""
    frame = load(message.data)
    if frame.get("error") is not None:
        yield failure(frame["error"])
        return
    done = frame.get("done") is True
    pieces = list(_output(as_object((frame.get("message") or {}) if done else frame["message"])))
    yield from pieces
    if done or not pieces:
        usage = Usage(as_count(frame.get("prompt_eval_count")), as_count(frame.get("eval_count"))) if done else None
        yield Meta(model=as_text(frame.get("model")) or None, usage=usage)
    if done:
        reason = as_text(frame.get("done_reason")) or None
        yield Finish(reason, stop_of(reason))


def _output(said: Mapping[str, object]) -> Iterator[Output]:
    if thinking := as_text(said.get("thinking")):
        yield Output(thinking, Part.REASONING)
    if text := as_text(said.get("content")):
        yield Output(text)
    for call in as_list(said.get("tool_calls") or []):
        function = as_object(as_object(call).get("function") or {})
        yield Output(msgspec.json.encode(function.get("arguments")).decode(), Part.TOOL_CALL)


OLLAMA_CHAT = Protocol(
    name="ollama-chat",
    framing=Lines,
    request=request,
    interpret=interpret,
    content_types=("application/x-ndjson", "application/ndjson", "application/jsonl"),
    paths=("/api/chat",),
    asked_at="`/api/chat`",
    complete_when='`"done": true`',
    example="made/ollama_chat_whole",
    dialect="monitor.lab.dialects.ollama_chat:SPEAKER",
)
