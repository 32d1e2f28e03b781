"""Langchain-Chatchat 0.2.7 and 0.2.8, its knowledge base from 0.2.0 on: JSON objects with nothing between them.

The content type is `text/event-stream` nevertheless.
"""

from __future__ import annotations

from monitor.protocols.base import Protocol
from monitor.protocols.shapes import chatchat_object, chatchat_request
from monitor.stream.json_objects import ConcatenatedJson

CHATCHAT_0_2_JSON = Protocol(
    name="chatchat-0.2-json",
    framing=ConcatenatedJson,
    request=chatchat_request,
    interpret=chatchat_object,
    end=False,
    asked_at="`/chat/chat` of 0.2.7 and 0.2.8; the knowledge base of 0.2.0 to 0.2.8",
    note="only a content check proves it whole",
    example="chatchat/mini_v027",
    dialect="monitor.lab.dialects.chatchat_0_2_json:DIALECT",
)
