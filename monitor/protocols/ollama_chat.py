"""Ollama's own chat (`/api/chat`): one JSON object a line, the last of them `"done": true`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from monitor.protocols.base import Protocol, Request, json_request
from monitor.protocols.finish_reasons import reason_of, stop_of
from monitor.protocols.shapes import FOREIGN, reasoning_in
from monitor.protocols.stream_errors import failure_in
from monitor.protocols.values import as_arguments, as_count, as_list, as_object, as_text, as_word, load
from monitor.stream.events import Event, Finish, Message, Meta, Output, Part, Usage
from monitor.stream.lines import JsonLines
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
    done = frame.get("done") is True
    reply = frame.get("message")
    pieces = list(_output(as_object(reply))) if not isinstance(reply, str) else []
    yield from pieces
    if (error := failure_in(frame, output=bool(pieces))) is not None:
        yield error
        return
    if isinstance(reply, str) or ("message" not in frame and (not done or "response" in frame)):
        yield FOREIGN  # a `response` is that of `/api/generate`
        return
    if done or not pieces:
        usage = Usage(as_count(frame.get("prompt_eval_count")), as_count(frame.get("eval_count"))) if done else None
        yield Meta(model=as_word(frame.get("model")), usage=usage)
    if done:
        reason = reason_of(frame.get("done_reason"))
        yield Finish(reason, stop_of(reason))


def _output(message: Mapping[str, object]) -> Iterator[Output]:
    if thinking := reasoning_in(message):
        yield Output(thinking, Part.REASONING)
    if text := as_text(message.get("content")):
        yield Output(text)
    for call in as_list(message.get("tool_calls")):
        function = as_object(as_object(call).get("function"))
        yield Output(as_arguments(function.get("arguments")), Part.TOOL_CALL)


OLLAMA_CHAT = Protocol(
    name="ollama-chat",
    framing=JsonLines,
    request=request,
    interpret=interpret,
    content_types=("application/x-ndjson", "application/ndjson", "application/jsonl"),
    paths=("/api/chat",),
    asked_at="`/api/chat`",
    complete_when='`"done": true`',
    example="made/ollama_chat_whole",
    dialect="monitor.lab.dialects.ollama_chat:DIALECT",
)
