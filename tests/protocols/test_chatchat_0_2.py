"""Langchain-Chatchat 0.2.9 and up: text, answers, documents last."""

from __future__ import annotations

import json

import pytest

from monitor.protocols.chatchat_0_2 import CHATCHAT_0_2
from monitor.stream.events import Event, Failure, Fault, Message, Meta, Output
from monitor.target import Target

MESSAGES: dict[str, tuple[str, list[Event]]] = {
    "chat": ('{"text": "Hello", "message_id": "c248"}', [Output("Hello")]),
    "knowledge base": ('{"answer": " from"}', [Output(" from")]),
    "both": ('{"answer": "a", "docs": ["d1"]}', [Output("a")]),
    "empty text": ('{"text": "", "message_id": "c248"}', [Meta()]),
    "no answer yet": ('{"answer": null}', [Meta()]),
    "the documents": ('{"docs": ["d1"]}', [Meta()]),
    "the agent's tools": ('{"tools": ["calculate"]}', [Meta()]),
    "the agent's last word repeats": ('{"final_answer": "85"}', [Output("85", repeats=True)]),
    "no last word": ('{"final_answer": ""}', [Meta()]),
    "an error": ('{"error": "Connection error."}', [Failure(Fault.UPSTREAM, "Connection error.")]),
    "an error that is null": ('{"error": null, "text": "a"}', [Output("a")]),
}


@pytest.mark.parametrize(("data", "events"), MESSAGES.values(), ids=MESSAGES.keys())
def test_messages(data: str, events: list[Event]) -> None:
    """Text and answers are output, documents and tools are not."""
    assert list(CHATCHAT_0_2.interpret(Message(data, 0))) == events


@pytest.mark.parametrize("data", ["[DONE]"])
def test_what_is_no_message(data: str) -> None:
    """Other data raises what the decoder takes for malformed."""
    with pytest.raises((KeyError, ValueError, TypeError)):
        list(CHATCHAT_0_2.interpret(Message(data, 0)))


def test_the_request() -> None:
    """A query without history; the knowledge base comes from the target's body."""
    target = Target("one", "chatchat-0.2", "http://127.0.0.1/", model="m", body={"knowledge_base_name": "mon"})
    assert json.loads(CHATCHAT_0_2.request(target, "count").body) == {
        "query": "count",
        "history": [],
        "stream": True,
        "model_name": "m",
        "temperature": 0.0,
        "max_tokens": 400,
        "prompt_name": "default",
        "knowledge_base_name": "mon",
    }
