"""Ollama's own completion (`/api/generate`): one JSON object a line, the last of them `"done": true`."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.protocols.base import Protocol, Request, json_request
from monitor.protocols.finish_reasons import reason_of, stop_of
from monitor.protocols.shapes import FOREIGN, reasoning_in
from monitor.protocols.stream_errors import failure_in
from monitor.protocols.values import as_count, as_text, as_word, load
from monitor.stream.events import Event, Finish, Message, Meta, Output, Part, Usage
from monitor.stream.lines import JsonLines
from monitor.target import Target


def request(target: Target, prompt: str) -> Request:
    """Ask with one prompt; the server applies the model's template to it."""
    body = {
        "model": target.model,
        "prompt": prompt,
        "stream": True,
        "options": {"num_predict": target.max_tokens, "temperature": target.temperature},
    }
    return json_request(body, target, accept="application/x-ndjson")


def interpret(message: Message) -> Iterator[Event]:
    """Read one line; the last one may carry output, too. `load` and `unload` end it without any."""
    frame = load(message.data)
    done = frame.get("done") is True
    texts = ((reasoning_in(frame), Part.REASONING), (as_text(frame.get("response")), Part.CONTENT))
    pieces = [Output(text, part) for text, part in texts if text]
    yield from pieces
    if (error := failure_in(frame, output=bool(pieces))) is not None:
        yield error
        return
    if "response" not in frame and (not done or "message" in frame):
        yield FOREIGN  # a `message` is that of `/api/chat`
        return
    if done or not pieces:
        usage = Usage(as_count(frame.get("prompt_eval_count")), as_count(frame.get("eval_count"))) if done else None
        yield Meta(model=as_word(frame.get("model")), usage=usage)
    if done:
        reason = reason_of(frame.get("done_reason"))
        yield Finish(reason, stop_of(reason))


OLLAMA_GENERATE = Protocol(
    name="ollama-generate",
    framing=JsonLines,
    request=request,
    interpret=interpret,
    content_types=("application/x-ndjson", "application/ndjson", "application/jsonl"),
    paths=("/api/generate",),
    asked_at="`/api/generate` of Ollama",
    complete_when='`"done": true`',
    example="made/ollama_generate_whole",
    dialect="monitor.lab.dialects.ollama_generate:DIALECT",
)
