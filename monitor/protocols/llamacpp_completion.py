"""llama.cpp's own completion (`/completion`): a piece of text in every event, the last one with `"stop": true`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from monitor.protocols.base import Protocol, Request, json_request
from monitor.protocols.finish_reasons import reason_of, stop_of
from monitor.protocols.shapes import FOREIGN
from monitor.protocols.stream_errors import failure_in
from monitor.protocols.values import as_count, as_text, as_word, load
from monitor.stream.events import Event, Finish, Message, Meta, Output, Usage
from monitor.stream.sse import ServerSentEvents
from monitor.target import Target

_OLDER = {"stopped_limit": "limit", "stopped_word": "word", "stopped_eos": "eos"}
"""The fields that servers before December 2024 sent in place of `stop_type`."""

_OTHERS = frozenset({"type", "role", "event"})
"""Keys of other protocols' events that have a `content`, too."""


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
    """Read one event; `truncated` speaks of the prompt, and old servers send `[DONE]` after an error alone."""
    frame = load(message.data)
    if not _OTHERS.isdisjoint(frame) and "stop" not in frame:
        yield failure_in(frame) or FOREIGN
        return
    index, stopped, text = as_count(frame.get("index")) or 0, frame.get("stop") is True, as_text(frame.get("content"))
    if text:
        yield Output(text, choice=index)
    if (error := failure_in(frame, output=bool(text))) is not None:
        yield error
    elif stopped:
        usage = Usage(as_count(frame.get("tokens_evaluated")), as_count(frame.get("tokens_predicted")))
        yield Meta(model=as_word(frame.get("model")), usage=usage)
        reason = _reason(frame)
        yield Finish(reason, stop_of(reason), index)
    elif not text:
        yield Meta() if "content" in frame else FOREIGN


def _reason(frame: Mapping[str, object]) -> str | None:
    older = next((word for key, word in _OLDER.items() if frame.get(key) is True), None)
    return reason_of(frame.get("stop_type")) or older


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
    dialect="monitor.lab.dialects.llamacpp_completion:DIALECT",
)
