"""Langchain-Chatchat 0.3 knowledge base: documents, text, errors, and a finish reason that proves nothing."""

from __future__ import annotations

import json

import pytest

from monitor.protocols.chatchat_kb import CHATCHAT_KB
from monitor.stream.events import Event, Failure, Fault, Message, Meta, Output, Stop
from monitor.target import Target

FRAME = (
    '{"id": "chatc74c", "object": "chat.completion.chunk", "model": "ok", "created": 1795386319, "status": null, '
    '"message_type": 1, "message_id": null, "is_ref": false, %s'
    '"choices": [{"delta": {"content": %s, "tool_calls": []}, "role": "assistant"}]}'
)
MESSAGES: dict[str, tuple[str, list[Event]]] = {
    "the documents": (FRAME % ('"docs": ["[1] doc.csv"], ', '""'), [Meta(model="ok", choice=0)]),
    "text": (FRAME % ("", '"Hello"'), [Output("Hello")]),
    "an error": ('{"error": "Connection error."}', [Failure(Fault.UPSTREAM, "Connection error.")]),
    "an error without words": ('{"error": ""}', [Failure(Fault.OTHER)]),
    "a finish reason is no end": (
        '{"choices": [{"delta": {"content": null}, "finish_reason": "length", "index": 0}]}',
        [Meta(), Meta(reason="length", stop=Stop.LENGTH)],
    ),
}


@pytest.mark.parametrize(("data", "events"), MESSAGES.values(), ids=MESSAGES.keys())
def test_messages(data: str, events: list[Event]) -> None:
    """Each frame says what it says, and none says the end."""
    assert list(CHATCHAT_KB.interpret(Message(data, 0))) == events


@pytest.mark.parametrize("data", ["[DONE]", '{"choices": 7}'])
def test_what_is_no_message(data: str) -> None:
    """Other data raises what the decoder takes for malformed."""
    with pytest.raises((KeyError, ValueError, TypeError)):
        list(CHATCHAT_KB.interpret(Message(data, 0)))


def asked(url: str) -> dict[str, object]:
    """Return the body of a request to this URL."""
    target = Target("one", "chatchat-kb", url, model="m", body={"kb_name": "mon"})
    body: dict[str, object] = json.loads(CHATCHAT_KB.request(target, "count").body)
    return body


def test_the_request_of_kb_chat() -> None:
    """`/chat/kb_chat` takes a query, and the knowledge base from the target's body."""
    assert asked("http://127.0.0.1:7861/chat/kb_chat") == {
        "model": "m",
        "stream": True,
        "temperature": 0.0,
        "max_tokens": 400,
        "query": "count",
        "mode": "local_kb",
        "kb_name": "mon",
        "top_k": 3,
        "score_threshold": 2.0,
        "history": [],
        "prompt_name": "default",
        "return_direct": False,
    }


@pytest.mark.parametrize("end", ["", "/", "?x=/chat/kb_chat"])
def test_the_request_of_the_openai_shaped_routes(end: str) -> None:
    """Routes of OpenAI's shape take messages, and name the knowledge base in their URL."""
    body = asked(f"http://127.0.0.1:7861/knowledge_base/local_kb/mon/chat/completions{end}")
    assert body["messages"] == [{"role": "user", "content": "count"}]
    assert "query" not in body
