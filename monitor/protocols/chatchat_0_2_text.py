"""Langchain-Chatchat 0.2.0 to 0.2.6 chat (`/chat/chat`): plain text, although its type is `text/event-stream`."""

from __future__ import annotations

from monitor.protocols.base import Protocol
from monitor.protocols.shapes import any_text, chatchat_request
from monitor.stream.raw import Raw

CHATCHAT_0_2_TEXT = Protocol(
    name="chatchat-0.2-text",
    framing=Raw,
    request=chatchat_request,
    interpret=any_text,
    end=False,
    asked_at="`/chat/chat` of 0.2.0 to 0.2.6",
    note="only a content check proves it whole",
    example="chatchat/mini_v020",
    dialect="monitor.lab.dialects.chatchat_0_2_text:DIALECT",
)
