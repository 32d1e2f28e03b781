"""Langchain-Chatchat 0.2.9 and up (`/chat/chat`, `/chat/knowledge_base_chat`, ...): text or answer, and no end."""

from __future__ import annotations

from monitor.protocols.base import Protocol
from monitor.protocols.shapes import chatchat_object, chatchat_request
from monitor.stream.sse import ServerSentEvents

CHATCHAT_0_2 = Protocol(
    name="chatchat-0.2",
    framing=ServerSentEvents,
    request=chatchat_request,
    interpret=chatchat_object,
    end=False,
    paths=("/chat/chat", "/chat/knowledge_base_chat"),
    asked_at="`/chat/chat`, `/chat/knowledge_base_chat` of 0.2.9 and up",
    note="only a content check proves it whole",
    example="chatchat/c0210_chat_ok",
    dialect="monitor.lab.dialects.chatchat_0_2:DIALECT",
)
