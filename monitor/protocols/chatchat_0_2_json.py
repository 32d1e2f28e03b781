"""Langchain-Chatchat 0.2.7 and 0.2.8, its knowledge base from 0.2.0 on: JSON objects with nothing between them.

The content type says `text/event-stream` all the same.
"""

from __future__ import annotations

from collections.abc import Iterator

from monitor.protocols.base import Protocol, Request, json_request
from monitor.protocols.shapes import chatchat_frame, chatchat_query
from monitor.protocols.values import load
from monitor.stream.events import Event, Message
from monitor.stream.json_objects import ConcatenatedJson
from monitor.target import Target


def request(target: Target, prompt: str) -> Request:
    """Ask with a query; a knowledge base is named in the target's `body` (`knowledge_base_name`)."""
    return json_request(chatchat_query(target, prompt), target)


def interpret(message: Message) -> Iterator[Event]:
    """Read one object."""
    return chatchat_frame(load(message.data))


CHATCHAT_0_2_JSON = Protocol(
    name="chatchat-0.2-json",
    framing=ConcatenatedJson,
    request=request,
    interpret=interpret,
    end=False,
    asked_at="`/chat/chat` of 0.2.7 and 0.2.8; the knowledge base of 0.2.0 to 0.2.8",
    note="only a content check proves it whole",
    example="chatchat/mini_v027",
    dialect="monitor.lab.dialects.chatchat_0_2_json:DIALECT",
)
