"""Langchain-Chatchat 0.2.9 and up (`/chat/chat`, `/chat/knowledge_base_chat`, ...): text or answer, and no end."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.events import Event, Message, Meta, Output
from monitor.framing import ServerSentEvents
from monitor.protocols.base import Protocol, Request, json_request
from monitor.protocols.shapes import as_text, failure, load
from monitor.target import Target

_LIFE = ("docs", "tools")


def request(target: Target, prompt: str) -> Request:
    """Ask with a query; a knowledge base is named in the target's `body` (`knowledge_base_name`)."""
    body = {
        "query": prompt,
        "history": [],
        "stream": True,
        "model_name": target.model,
        "temperature": target.temperature,
        "max_tokens": target.max_tokens,
        "prompt_name": "default",
    }
    return json_request(body, target)


def interpret(message: Message) -> Iterator[Event]:
    """Read one event: `text` or `answer` is output, an agent's `final_answer` repeats it."""
    frame = load(message.data)
    if "error" in frame:
        yield failure(frame["error"])
        return
    if text := as_text(frame.get("text")) or as_text(frame.get("answer")):
        yield Output(text)
    elif text := as_text(frame.get("final_answer")):
        yield Output(text, repeats=True)
    elif not any(key in frame for key in ("text", "answer", "final_answer", *_LIFE)):
        raise KeyError("text")
    else:
        yield Meta()


CHATCHAT_0_2 = Protocol(
    name="chatchat-0.2",
    framing=ServerSentEvents,
    request=request,
    interpret=interpret,
    end=False,
)
