"""Langchain-Chatchat 0.3 chat (`/chat/chat/completions`, `/v1/chat/completions`): OpenAI's shape, never a `[DONE]`."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.protocols.base import Protocol, Request, json_request, one_message
from monitor.protocols.shapes import openai_frame
from monitor.protocols.stream_errors import failure
from monitor.protocols.values import load
from monitor.stream.events import Event, Message
from monitor.stream.sse import ServerSentEvents
from monitor.target import Target


def request(target: Target, prompt: str) -> Request:
    """Ask with one user message."""
    return json_request(one_message(target, prompt), target)


def interpret(message: Message) -> Iterator[Event]:
    """Read one event; an error is known by its key, for its text may be empty."""
    frame = load(message.data)
    if frame.get("error") == "" and "choices" not in frame:
        yield failure("")
    else:
        yield from openai_frame(frame)


CHATCHAT = Protocol(
    name="chatchat",
    framing=ServerSentEvents,
    request=request,
    interpret=interpret,
    paths=("/chat/chat/completions",),
    asked_at="`/chat/chat/completions`, `/v1/chat/completions` of Langchain-Chatchat 0.3",
    complete_when="a `finish_reason`",
    note="it never sends `[DONE]`",
    example="chatchat/c03_success",
    dialect="monitor.lab.dialects.chatchat:DIALECT",
)
