"""Cloudflare Workers AI (`/ai/run/MODEL`): a piece of text in every event, and `[DONE]` at its end."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.protocols.base import MARKER, Protocol, Request, json_request, one_message
from monitor.protocols.finish_reasons import finish_of
from monitor.protocols.shapes import openai_frame, reasoning_in, usage_of
from monitor.protocols.stream_errors import failure_in
from monitor.protocols.values import as_arguments, as_list, as_object, as_text, load
from monitor.stream.events import Event, Finish, Message, Meta, Output, Part
from monitor.stream.sse import ServerSentEvents
from monitor.target import Target


def request(target: Target, prompt: str) -> Request:
    """Ask with one user message; the model is in the URL."""
    body = one_message(target, prompt)
    del body["model"]
    return json_request(body, target)


def interpret(message: Message) -> Iterator[Event]:
    """Read one event, in the platform's own shape or, as newer models have it, in that of OpenAI's chunk."""
    if message.data.lstrip().startswith(MARKER):
        yield Finish(shared=True)
        return
    frame = load(message.data)
    if "choices" in frame:
        yield from openai_frame(frame)
        return
    texts = ((reasoning_in(frame), Part.REASONING), (as_text(frame.get("response")), Part.CONTENT))
    pieces = [Output(text, part) for text, part in texts if text]
    calls = map(as_object, as_list(frame.get("tool_calls")))
    pieces += [Output(as_arguments(call.get("arguments")), Part.TOOL_CALL) for call in calls]
    usage = usage_of(frame.get("usage"))
    if (error := failure_in(frame, output=bool(pieces))) is not None:
        yield from pieces
        yield error
    elif frame.keys().isdisjoint(("response", "tool_calls")) or isinstance(frame.get("response"), dict):
        yield Meta(foreign=True, usage=usage)  # usage alone is counted by others, too; their `response` is an object
    else:
        yield from pieces
        if usage is not None or not pieces:
            yield Meta(usage=usage)
        if (finish := finish_of(frame)) is not None:
            yield Finish(*finish)


WORKERS_AI = Protocol(
    name="workers-ai",
    framing=ServerSentEvents,
    request=request,
    interpret=interpret,
    paths=("/ai/run/*/*/*", "/ai/run/*/*", "/workers-ai/*/*/*"),
    asked_at="`/client/v4/accounts/ACCOUNT/ai/run/MODEL` of Cloudflare, and its AI Gateway",
    choices="n",
    complete_when="`[DONE]`, or a `finish_reason` as newer models have it",
    note="the model is in the URL; newer models stream OpenAI's chunks there, and both shapes are read",
    example="made/workers_ai_whole",
    dialect="monitor.lab.dialects.workers_ai:DIALECT",
)
