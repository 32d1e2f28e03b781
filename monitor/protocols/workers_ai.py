"""Cloudflare Workers AI (`/ai/run/MODEL`): a piece of text in every event, and `[DONE]` as its only end."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.protocols.base import MARKER, Protocol, Request, json_request, one_message
from monitor.protocols.shapes import FOREIGN, thought_in, usage_of
from monitor.protocols.stream_errors import failure_in
from monitor.protocols.values import as_arguments, as_list, as_object, as_text, load
from monitor.stream.events import Event, Finish, Message, Meta, Output, Part
from monitor.stream.sse import ServerSentEvents
from monitor.target import Target


def request(target: Target, prompt: str) -> Request:
    """Ask with one user message; the model stands in the URL."""
    body = one_message(target, prompt)
    del body["model"]
    return json_request(body, target)


def interpret(message: Message) -> Iterator[Event]:
    """Read one event; the last one before the end counts the tokens."""
    if message.data.lstrip().startswith(MARKER):
        yield Finish()
        return
    frame = load(message.data)
    said = ((thought_in(frame), Part.REASONING), (as_text(frame.get("response")), Part.CONTENT))
    pieces = [Output(text, part) for text, part in said if text]
    calls = map(as_object, as_list(frame.get("tool_calls")))
    pieces += [Output(as_arguments(call.get("arguments")), Part.TOOL_CALL) for call in calls]
    yield from pieces
    usage = usage_of(frame.get("usage"))
    if (error := failure_in(frame, output=bool(pieces))) is not None:
        yield error
    elif not {"response", "usage", "tool_calls"} & frame.keys():
        yield FOREIGN
    elif usage is not None or not pieces:
        yield Meta(usage=usage)


WORKERS_AI = Protocol(
    name="workers-ai",
    framing=ServerSentEvents,
    request=request,
    interpret=interpret,
    paths=("/ai/run/*/*/*", "/ai/run/*/*", "/workers-ai/*/*/*"),
    asked_at="`/client/v4/accounts/ACCOUNT/ai/run/MODEL` of Cloudflare, and its AI Gateway",
    complete_when="`[DONE]`",
    note="the model stands in the URL",
    example="made/workers_ai_whole",
    dialect="monitor.lab.dialects.workers_ai:SPEAKER",
)
