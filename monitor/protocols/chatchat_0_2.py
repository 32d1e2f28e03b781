"""Langchain-Chatchat 0.2.9 and up (`/chat/chat`, `/chat/knowledge_base_chat`, ...): text or answer, and no end."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.protocols.base import Protocol, Request, json_request
from monitor.protocols.shapes import chatchat_frame, chatchat_query
from monitor.protocols.values import load
from monitor.stream.events import Event, Message
from monitor.stream.sse import ServerSentEvents
from monitor.target import Target


def request(target: Target, prompt: str) -> Request:
    """Ask with a query; a knowledge base is named in the target's `body` (`knowledge_base_name`)."""
    return json_request(chatchat_query(target, prompt), target)


def interpret(message: Message) -> Iterator[Event]:
    """Read one event."""
    return chatchat_frame(load(message.data))


CHATCHAT_0_2 = Protocol(
    name="chatchat-0.2",
    framing=ServerSentEvents,
    request=request,
    interpret=interpret,
    end=False,
    paths=("/chat/chat", "/chat/knowledge_base_chat"),
    asked_at="`/chat/chat`, `/chat/knowledge_base_chat` of 0.2.9 and up",
    note="only a content check proves it whole",
    example="chatchat/c0210_chat_ok",
    dialect="monitor.lab.dialects.chatchat_0_2:DIALECT",
)
