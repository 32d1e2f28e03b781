"""Langchain-Chatchat 0.2.0 to 0.2.6 chat (`/chat/chat`): the text itself, though its type says `text/event-stream`."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.protocols.base import Protocol, Request, json_request
from monitor.protocols.shapes import chatchat_query
from monitor.stream.events import Event, Message, Output
from monitor.stream.raw import Raw
from monitor.target import Target


def request(target: Target, prompt: str) -> Request:
    """Ask with a query."""
    return json_request(chatchat_query(target, prompt), target)


def interpret(message: Message) -> Iterator[Event]:
    """Take any byte as output."""
    yield Output(message.data)


CHATCHAT_0_2_TEXT = Protocol(
    name="chatchat-0.2-text",
    framing=Raw,
    request=request,
    interpret=interpret,
    end=False,
    asked_at="`/chat/chat` of 0.2.0 to 0.2.6",
    note="only a content check proves it whole",
    example="chatchat/mini_v020",
    dialect="monitor.lab.dialects.chatchat_0_2_text:DIALECT",
)
