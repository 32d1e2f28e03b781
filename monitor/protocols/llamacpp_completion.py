"""llama.cpp's own completion (`/completion`): a piece of text in every event, the last one with `"stop": true`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from monitor.protocols.base import Protocol, Request, json_request
from monitor.protocols.shapes import as_count, as_text, failure, load, named_error
from monitor.stream.events import Done, Event, Finish, Message, Meta, Output, Stop, Usage
from monitor.stream.sse import ServerSentEvents
from monitor.target import Target

_OLDER = {"stopped_limit": "limit", "stopped_word": "word", "stopped_eos": "eos"}
"""What servers before December 2024 said in place of `stop_type`."""


def request(target: Target, prompt: str) -> Request:
    """Ask for what follows the prompt, to which no chat template is applied."""
    body = {
        "model": target.model,
        "prompt": prompt,
        "stream": True,
        "n_predict": target.max_tokens,
        "temperature": target.temperature,
    }
    return json_request(body, target)


def interpret(message: Message) -> Iterator[Event]:
    """Read one event; `truncated` speaks of the prompt, and old servers send `[DONE]` behind an error alone."""
    if message.data.strip() == "[DONE]":
        yield Done()
        return
    if message.name == "error":
        yield named_error(message.data)
        return
    frame = load(message.data)
    if frame.get("error") is not None:
        yield failure(frame["error"])
        return
    index, stopped, text = as_count(frame.get("index")) or 0, frame.get("stop") is True, as_text(frame["content"])
    if text:
        yield Output(text, choice=index)
    elif not stopped:
        yield Meta()
    if stopped:
        usage = Usage(as_count(frame.get("tokens_evaluated")), as_count(frame.get("tokens_predicted")))
        yield Meta(model=as_text(frame.get("model")) or None, usage=usage)
        reason = _reason(frame)
        yield Finish(reason, Stop.LENGTH if reason == "limit" else Stop.COMPLETE, index)


def _reason(frame: Mapping[str, object]) -> str | None:
    said = next((word for key, word in _OLDER.items() if frame.get(key) is True), None)
    return as_text(frame.get("stop_type")) or said


LLAMACPP_COMPLETION = Protocol(
    name="llamacpp-completion",
    framing=ServerSentEvents,
    request=request,
    interpret=interpret,
    paths=("/completion",),
    asked_at="`/completion` of llama.cpp",
    complete_when='`"stop": true`',
    note="no chat template is applied to the prompt",
    example="servers/llama-server_completion_native",
    dialect="monitor.lab.dialects.llamacpp_completion:SPEAKER",
)
