"""Langchain-Chatchat 0.3 knowledge base: documents, then OpenAI's shape, and no end: only a check proves it whole."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from monitor.protocols.base import Protocol, Request, json_request
from monitor.protocols.shapes import openai_frame
from monitor.protocols.stream_errors import failure
from monitor.protocols.values import load
from monitor.stream.events import Event, Finish, Message, Meta
from monitor.stream.sse import ServerSentEvents
from monitor.target import Target


def request(target: Target, prompt: str) -> Request:
    """Ask in the words of the route: `/chat/kb_chat` takes a query, the OpenAI-shaped routes take messages.

    The knowledge base is named in the target's `body` (`kb_name`) or, on the OpenAI-shaped routes, in its URL.
    """
    common = {
        "model": target.model,
        "stream": True,
        "temperature": target.temperature,
        "max_tokens": target.max_tokens,
    }
    if urlsplit(target.url).path.rstrip("/").endswith("/chat/completions"):
        return json_request({**common, "messages": [{"role": "user", "content": prompt}]}, target)
    query = {
        "query": prompt,
        "mode": "local_kb",
        "kb_name": "samples",
        "top_k": 3,
        "score_threshold": 2.0,
        "history": [],
        "prompt_name": "default",
        "return_direct": False,
    }
    return json_request({**common, **query}, target)


def interpret(message: Message) -> Iterator[Event]:
    """Read one event; a finish reason would prove nothing here, for upstream failures are swallowed in silence."""
    frame = load(message.data)
    if frame.get("error") == "" and "choices" not in frame:
        yield failure("")
        return
    for event in openai_frame(frame):
        yield Meta(reason=event.reason, stop=event.stop) if isinstance(event, Finish) else event


CHATCHAT_KB = Protocol(
    name="chatchat-kb",
    framing=ServerSentEvents,
    request=request,
    interpret=interpret,
    end=False,
    paths=("/chat/kb_chat", "/knowledge_base/*/*/chat/completions"),
    asked_at="`/chat/kb_chat`, `/knowledge_base/.../chat/completions`",
    note="only a content check proves it whole",
    example="chatchat/c03_kb_ok",
    dialect="monitor.lab.dialects.chatchat_kb:DIALECT",
)
